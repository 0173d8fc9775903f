//go:build linux

package replicas_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOneCap: replicas that are asked by many at once sign as much as one would, to the
// wei.
func TestOneCap(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, policyFor("local"))
			replicas := h.open(t, n)
			all := race(t, h.locals(t, replicas), 0, 3*limit, nil)
			all.exactly(t)
			for _, s := range replicas {
				s.end(t, syscall.SIGTERM)
			}
			h.verify(t, n)
			if text := h.run(t, "signer-0", "state", "show"); !strings.Contains(text, "100 used") {
				t.Errorf("the state shows\n%s", text)
			}
			if text := h.run(t, "signer-0", "init"); !strings.Contains(text, "which other signers may use already") || strings.Contains(text, "warning") {
				t.Errorf("brought up once more, as before an upgrade, the state is told to be\n%s", text)
			}
		})
	}
}

func (h *house) locals(t *testing.T, replicas []*signer) (all []payer) {
	t.Helper()
	for _, s := range replicas {
		all = append(all, h.local(t, s))
	}
	return all
}

// TestAReplicaAndTheDatabaseFail in turns while limits are used up: nothing is signed
// beyond them, and the others go on.
func TestAReplicaAndTheDatabaseFail(t *testing.T) {
	t.Parallel()
	h := newHouse(t, policyFor("local"))
	replicas := h.open(t, 3)
	payers := h.locals(t, replicas)
	all := race(t, payers, 0, limit/2, func(begun <-chan struct{}) {
		<-begun
		replicas[2].end(t, syscall.SIGKILL)
	})
	if len(all.failed) == 0 || all.signed == 0 {
		t.Errorf("%d were signed, and %d calls failed: it was not killed meanwhile", all.signed, len(all.failed))
	}
	for i := range payers {
		payers[i].stays = true
	}
	all.add(race(t, payers[:2], 1000, limit/4, func(<-chan struct{}) { // what is asked meanwhile is refused
		h.database.Kill()
		if err := h.database.Start(t.Context()); err != nil {
			t.Error(err)
		}
	}))
	all.add(again(t, payers[0], replicas[0], 2000))
	last := race(t, payers[:2], 10_000, 2*limit, nil)
	for _, err := range last.failed {
		t.Errorf("when all is well again: %v", err)
	}
	all.add(last)
	all.within(t)
	for _, s := range replicas[:2] {
		s.end(t, syscall.SIGTERM)
	}
	h.verify(t, 3)
}

// again asks until a replica signs once more.
func again(t *testing.T, by payer, s *signer, first uint64) (all tally) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for n := first; ; n++ {
		err := by.pay(t.Context(), n)
		switch {
		case err == nil:
			all.signed++
			return all
		case time.Now().After(deadline):
			t.Fatalf("%s does not sign any more: %v\n%s", s.name, err, s.log)
		}
		all.failed = append(all.failed, err)
	}
}
