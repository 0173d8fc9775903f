package proxy

import "time"

// tally tells the observer of calls that are taken together. The nil tally tells
// nobody.
type tally struct {
	p     *Proxy
	calls []message
	began time.Time
}

// tally returns one of calls that begin now.
func (p *Proxy) tally(calls []message) *tally {
	if p.cfg.Observer == nil {
		return nil
	}
	return &tally{p: p, calls: calls, began: time.Now()}
}

// one tells what became of a call.
func (t *tally) one(m *message, outcome Outcome) {
	if t != nil {
		t.p.cfg.Observer.Called(t.p.names[string(m.method)], outcome, time.Since(t.began))
	}
}

// all tells what became of every call alike.
func (t *tally) all(outcome Outcome) {
	if t == nil {
		return
	}
	for i := range t.calls {
		t.one(&t.calls[i], outcome)
	}
}

// notes tells of notifications that were sent: of them nothing more is heard.
func (t *tally) notes() {
	if t == nil {
		return
	}
	for i := range t.calls {
		if t.calls[i].notification() {
			t.one(&t.calls[i], OutcomeOK)
		}
	}
}

// replied tells of calls that were answered one by one.
func (t *tally) replied(replies []reply) {
	if t == nil {
		return
	}
	for i := range t.calls {
		t.one(&t.calls[i], replies[i].outcome)
	}
}

// answered tells of calls that were answered together.
func (t *tally) answered(f faults) {
	if t == nil {
		return
	}
	for i := range t.calls {
		t.one(&t.calls[i], f.outcome(t.calls[i].id))
	}
}

// look looks for errors in the beginning of an answer, before its memory is used
// again.
func (t *tally) look(head []byte, encoding string) faults {
	if t == nil {
		return faults{}
	}
	if encoding != "" {
		buffer := t.p.buffers.get()
		defer t.p.buffers.put(buffer)
		head = t.p.decoders.decode(buffer[:], head, encoding)
	}
	return faultsIn(head)
}

// refusedBody tells of a body of which nothing runs.
func (p *Proxy) refusedBody() { p.tally([]message{{}}).all(OutcomeRefused) }
