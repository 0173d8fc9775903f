package bolt

import (
	"slices"
	"sync"

	"github.com/kvclef/kvclef/rules"
)

// admission is a hold on its way to the disk: in the queue, then admitted, when
// its charges are in a transaction that is about to be flushed, then durable.
type admission struct {
	change

	id       rules.HoldID
	admitted chan error    // takes one: nil, or why it is not held
	done     chan struct{} // closed when it is durable, or failed
	err      error         // why it failed; read when done is closed

	mu        sync.Mutex
	told      bool // admitted was
	ended     bool // done is closed
	abandoned bool // nobody waits any more: it is given back
}

// newAdmission returns the hold of charges, for the writer.
func newAdmission(s *Store, charges []rules.Charge) *admission {
	charges = slices.Clone(charges)
	a := &admission{admitted: make(chan error, 1), done: make(chan struct{})}
	var refusal error
	a.dated = true
	a.apply = func(t *tables) (err error) {
		a.id, refusal, err = t.hold(charges)
		return err
	}
	a.applied = func() {
		if refusal == nil {
			a.admit(s)
		}
	}
	a.settle = func(err error) { a.end(s, err, refusal) }
	return a
}

// admit tells who waits that the charges count. A refusal is told at the end: it
// is of what was durable.
func (a *admission) admit(s *Store) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.abandoned {
		return
	}
	s.ledger.admit(a)
	a.told = true
	a.admitted <- nil
}

// end is told when the transaction is durable, or has failed with an error.
func (a *admission) end(s *Store, err, refusal error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	switch {
	case err == nil && refusal == nil && a.abandoned:
		s.writer.again(&change{apply: func(t *tables) error { return t.release(a.id) }, settle: s.late("giving back an abandoned hold", a.id)})
	case err != nil && a.told:
		s.ledger.forget(a.id)
	case err == nil:
		err = refusal
	}
	if !a.told {
		a.told = true
		a.admitted <- err
	}
	a.err = err
	close(a.done)
}

// abandon says that nobody waits any more, unless it has come so far: to be
// told, or to have ended.
func (a *admission) abandon(unless *bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if *unless {
		return false
	}
	a.abandoned = true
	return true
}
