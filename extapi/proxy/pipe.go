package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// pipe is a client's own link to the node. What goes over it is passed on as it
// is, both ways.
type pipe struct {
	s       *session
	link    link
	pending pending
	reading sync.WaitGroup
	ended   chan struct{} // closed when nothing more is passed on
}

// send passes a message on. When it can't, the session ends, and the message is
// answered with the others that wait. Notes says that there are notifications in it.
func (p *pipe) send(m *sent, body []byte, notes bool) {
	waits := len(m.calls) > 0
	if notes {
		p.pending.noted()
	}
	if waits {
		p.pending.add(m) // its answer may come before send returns
	}
	if err := p.link.send(m.kind, body); err != nil {
		p.lost(err)
	}
	if !waits {
		m.done()
	}
}

// read passes on what the node sends, until the link ends.
func (p *pipe) read() {
	defer close(p.ended)
	for {
		kind, message, err := p.link.receive()
		if err == nil {
			err = p.pass(kind, message)
		}
		if err != nil {
			p.lost(err)
			return
		}
	}
}

// lost ends the session: what the client has subscribed to is gone.
func (p *pipe) lost(err error) {
	p.s.p.nodeFailed(p.s.ctx, err)
	var told *wireError
	if errors.As(err, &told) {
		p.s.end(goodbye{websocket.CloseInternalServerErr, told.text, told})
		return
	}
	p.s.end(goodbye{websocket.CloseServiceRestart, "the node closed the connection", errNodeCut})
}

// pass passes on one message of the node. One that fits into the head is passed
// on when it is complete.
func (p *pipe) pass(kind int, message io.Reader) error {
	buffer := p.s.p.buffers.get()
	defer p.s.p.buffers.put(buffer)
	head, whole, err := fill(buffer[:], message)
	if err != nil {
		return err
	}
	if !likeJSON(head) || whole && !json.Valid(head) {
		return errNodeGarbage
	}
	var walk walker
	walk.feed(head)
	m, late := p.pending.answered(walk.ids, walk.batch())
	if late {
		_, err := io.Copy(io.Discard, message)
		return err
	}
	if m == nil {
		m = &sent{done: func() {}} // a notification, or one whose id comes later
	}
	defer m.done() // also if it can't be passed on
	faults := m.tally.look(head, "")
	if whole {
		p.s.write(kind, head)
	} else if err := p.stream(kind, message, head, buffer[:], &walk); err != nil {
		m.tally.all(brokenBy(err))
		return err
	}
	faults.all = faults.all || walk.fail
	m.tally.answered(faults)
	return nil
}

// brokenBy is what became of calls whose answer could not be passed on whole.
func brokenBy(err error) Outcome {
	switch {
	case errors.Is(err, errHungUp):
		return OutcomeCanceled
	case errors.Is(err, os.ErrDeadlineExceeded):
		return OutcomeTimeout
	default:
		return OutcomeUnreachable
	}
}

// stream passes on a message piece by piece, as fast as the client takes it.
// While it holds the lock no message expires.
func (p *pipe) stream(kind int, message io.Reader, head, buffer []byte, walk *walker) (err error) {
	s := p.s
	s.writing.Lock()
	defer s.writing.Unlock()
	unknown := len(walk.ids) == 0
	if unknown && p.pending.anyLate() > 0 {
		return errNodeSlow // nobody knows yet whether it has been answered
	}
	defer func() { s.broken = s.broken || err != nil }()
	out, err := s.conn.NextWriter(kind)
	if err != nil {
		return errHungUp
	}
	for whole := false; ; {
		_ = s.conn.SetWriteDeadline(time.Now().Add(s.p.cfg.WriteTimeout)) // never fails
		if _, err = out.Write(head); err == nil && whole {
			err = out.Close()
		}
		if err != nil {
			_ = s.conn.Close() // the reading goroutine notices
			return errHungUp
		}
		if whole {
			if unknown {
				p.settle(walk)
			}
			return nil
		}
		if head, whole, err = fill(buffer, message); err != nil {
			return fmt.Errorf("passing on an answer: %w", err)
		}
		walk.feed(head)
	}
}

// settle forgets the message whose answer has been passed on.
func (p *pipe) settle(walk *walker) {
	if m, _ := p.pending.answered(walk.ids, walk.batch()); m != nil {
		m.tally.answered(faults{all: walk.fail})
		m.done()
	}
}

// expire answers the messages that were sent before a time with an error. Their
// answers are dropped when they come.
func (p *pipe) expire(before time.Time) {
	if !p.s.writing.TryLock() {
		return // an answer is on its way, and may be one of theirs
	}
	expired := p.pending.expired(before)
	p.s.writing.Unlock()
	for _, m := range expired {
		m.tally.all(errNodeSlow.Outcome())
		p.s.write(m.kind, failCalls(m.calls, m.batch, p.s.refusal(errNodeSlow)))
		m.done()
	}
	if p.pending.anyLate() > cap(p.s.slots) {
		p.lost(errNodeSlow)
	}
}

// close closes the link and waits until nothing of it is passed on.
func (p *pipe) close() {
	p.link.close()
	p.reading.Wait()
}

// failPending tells those who wait that no answer comes.
func (p *pipe) failPending(err *wireError) {
	for _, m := range p.pending.all() {
		m.tally.all(err.Outcome())
		p.s.write(m.kind, failCalls(m.calls, m.batch, p.s.refusal(err)))
		m.done()
	}
}

// forget lets go of those who wait, when the client is gone.
func (p *pipe) forget() {
	for _, m := range p.pending.all() {
		m.tally.all(OutcomeCanceled)
		m.done()
	}
}
