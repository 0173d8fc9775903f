package proxy

import (
	"context"
	"io"
	"time"

	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi"
)

// next takes one message.
func (s *session) next() bool {
	s.deadline(2 * s.p.cfg.PingInterval)
	kind, message, err := s.conn.NextReader()
	if err != nil {
		return false
	}
	s.inside = true
	s.deadline(s.p.cfg.ReadTimeout)
	body, leave, err := s.read(message)
	s.inside = false
	if err != nil {
		leave()
		return false
	}
	slots := s.weight(body)
	for taken := range slots {
		select {
		case s.slots <- struct{}{}:
		case <-s.ended:
			leave()
			s.release(taken)
			return false
		}
	}
	if !s.known() {
		leave()
		s.release(slots)
		return false
	}
	s.take(kind, body, leave, func() { s.release(slots) })
	return true
}

// What a message weighs, so that memory doesn't grow by 64 large ones of each connection.
const (
	bytesOfSlot = 8 << 10
	mostSlots   = 16 // of a message above smallBody, which has one of the places for those as well
)

// weight is how many slots a message takes.
func (s *session) weight(body []byte) int {
	return min(1+len(body)/bytesOfSlot, mostSlots, cap(s.slots))
}

// read reads a message whole. Leave gives the place of a large one back.
func (s *session) read(message io.Reader) (body []byte, leave func(), err error) {
	head := s.p.buffers.get()
	defer s.p.buffers.put(head)
	part, whole, err := fill(head[:], message)
	if err != nil {
		return nil, func() {}, err
	}
	body = append([]byte(nil), part...)
	if whole {
		return body, func() {}, nil
	}
	if err := s.p.large.Enter(s.ctx, s.who.Principal, s.p.cfg.ReadTimeout); err != nil {
		s.end(farewell(websocket.CloseTryAgainLater, "too many large messages"))
		return nil, func() {}, err
	}
	s.deadline(s.p.cfg.ReadTimeout)
	rest, err := io.ReadAll(message)
	return append(body, rest...), func() { s.p.large.Leave(s.who.Principal) }, err
}

// take answers a message, or passes it on. It has slots, which it releases, and it may have a
// place of a large one, which it leaves.
func (s *session) take(kind int, body []byte, leave, release func()) {
	over := func() {
		leave()
		release()
	}
	calls, batch, refusal := readMessages(body, s.p.cfg.MaxBatch)
	switch {
	case refusal != nil:
		s.p.refusedBody()
		s.local(kind, over, func(ctx context.Context, _ *share) []byte { return refuseBody(calls, batch, s.p.refusal(ctx, refusal)) })
	case !s.p.passes(calls):
		s.local(kind, over, func(ctx context.Context, room *share) []byte { return s.p.mixed(ctx, room, calls, batch) })
	case s.p.pipes == nil:
		s.local(kind, over, func(ctx context.Context, room *share) []byte { return s.p.post(ctx, room, body, calls, batch) })
	default:
		defer leave()
		s.forward(kind, body, calls, batch, release)
	}
}

// local answers a message in its own time, and under an id of its own.
func (s *session) local(kind int, over func(), answer func(context.Context, *share) []byte) {
	s.running.Go(func() {
		defer over()
		room := s.p.held.share(s.p.cfg.MaxAnswer)
		defer room.close()
		listings := s.p.cfg.Answers.Share(s.who.Principal, &s.free)
		defer listings.Leave()
		s.write(kind, answer(listings.Into(extapi.NumberedContext(s.ctx)), room))
	})
}

// forward passes a message on over the client's own link, in order.
func (s *session) forward(kind int, body []byte, calls []message, batch bool, release func()) {
	all := s.p.tally(calls)
	pipe, _ := s.state()
	if pipe == nil {
		link, err := s.p.pipes.dial(s.ctx, trailOf(s.ctx))
		if err != nil {
			ctx := extapi.NumberedContext(s.ctx)
			s.p.nodeFailed(ctx, err)
			all.all(errNodeDown.Outcome())
			s.write(kind, failCalls(calls, batch, s.p.refusal(ctx, errNodeDown)))
			release()
			return
		}
		pipe = s.open(link)
	}
	waits := waiting(calls)
	pipe.send(&sent{calls: waits, batch: batch, kind: kind, at: time.Now(), done: release, tally: s.p.tally(waits)}, body, len(waits) < len(calls))
	all.notes()
}

func (s *session) release(slots int) {
	for range slots {
		<-s.slots
	}
}
