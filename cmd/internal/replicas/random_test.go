//go:build linux

package replicas_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
)

// TestReplicasAreKilledAtRandom: while 64 callers use up a cap, one replica after the other
// is killed, whichever and whenever, and comes back. The others go on, nothing is signed
// beyond the cap, and what is missing of it are calls that failed.
func TestReplicasAreKilledAtRandom(t *testing.T) {
	t.Parallel()
	const kills, payments = 5, limit / 6
	h := newHouse(t, policyFor("local"))
	replicas := h.open(t, 3)
	var all tally
	for i := range kills {
		victim, after, first := rand.IntN(len(replicas)), 1+rand.IntN(payments/2), 1000*i
		t.Logf("%s is killed after %d signatures of %d", replicas[victim].name, after, payments)
		all.add(raceUntil(t, h.locals(t, replicas), first, payments, after, func(begun <-chan struct{}) {
			<-begun
			replicas[victim].end(t, syscall.SIGKILL)
		}))
		other := replicas[(victim+1)%len(replicas)]
		all.add(answers(t, h.local(t, other), other, uint64(first+payments)))
		replicas[victim] = h.start(t, replicas[victim].name)
	}
	last := race(t, h.locals(t, replicas), 1000*kills, 2*limit, nil)
	for _, err := range last.failed {
		t.Errorf("when all are back: %v", err)
	}
	all.add(last)
	all.within(t)
	for _, s := range replicas {
		s.end(t, syscall.SIGTERM)
	}
	h.verify(t, len(replicas))
}

// answers asks a replica for one payment, which it signs, or denies if the cap is used up.
func answers(t *testing.T, by payer, s *signer, nonce uint64) (all tally) {
	t.Helper()
	switch err := by.pay(t.Context(), nonce); {
	case err == nil:
		all.signed++
	case denied(err):
		all.denied++
	default:
		all.failed = append(all.failed, err)
		t.Errorf("%s does not go on when another is killed: %v", s.name, err)
	}
	return all
}
