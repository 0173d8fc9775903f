//go:build linux

package replicas_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestBehindABalancer: 64 clients with certificates, whose connections a balancer
// spreads over the replicas, use up a cap to the wei. The rules let them alone pay whose
// certificates say so, so that the replicas know their callers.
func TestBehindABalancer(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, policyFor(caller))
			replicas := h.open(t, n)
			const never = 1000
			b := h.balance(t, signers(replicas), never)
			all := race(t, h.remotes(t, b.address, clients), 0, 3*limit, nil)
			all.exactly(t)
			for _, s := range replicas {
				s.end(t, syscall.SIGTERM)
				if n := h.signedBy(t, s); n == 0 {
					t.Errorf("%s signed nothing", s.name)
				}
			}
			h.verify(t, n)
		})
	}
}

// TestReplicasFailBehindABalancer: one is killed, one stops where it is. Callers go on
// by the others, nothing is signed beyond the cap, and what was stopped comes back.
func TestReplicasFailBehindABalancer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, policyFor(caller))
	replicas := h.open(t, 3)
	b := h.balance(t, signers(replicas), 2)
	payers := h.remotes(t, b.address, clients)

	all := race(t, payers, 0, limit/4, func(begun <-chan struct{}) {
		<-begun
		replicas[2].end(t, syscall.SIGKILL)
	})
	b.await(t, replicas[2].name, "DOWN")
	all.add(h.well(t, b, 1000, limit/4))

	all.add(race(t, payers, 2000, limit/4, func(begun <-chan struct{}) {
		<-begun
		replicas[1].signal(t, syscall.SIGSTOP)
		b.await(t, replicas[1].name, "DOWN") // who waits for it is told so then
	}))
	all.add(h.well(t, b, 3000, limit/8))
	replicas[1].signal(t, syscall.SIGCONT)
	b.await(t, replicas[1].name, "UP")
	all.add(again(t, h.remote(t, replicas[1].https), replicas[1], 4000))
	all.add(h.well(t, b, 10_000, 2*limit))
	all.within(t)
	for _, s := range replicas[:2] {
		s.end(t, syscall.SIGTERM)
	}
	h.verify(t, 3)
}

// well has new callers pay through a balancer, of which no call may fail.
func (h *house) well(t *testing.T, b *balancer, first, payments int) tally {
	t.Helper()
	all := race(t, h.remotes(t, b.address, clients), first, payments, nil)
	for _, err := range all.failed {
		t.Errorf("while all who are asked are well: %v", err)
	}
	return all
}

// signedBy counts what a replica's audit log says that it signed.
func (h *house) signedBy(t *testing.T, s *signer) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.path(s.name), "audit.log"))
	must(t, err)
	return strings.Count(string(text), `"outcome":"signed"`)
}
