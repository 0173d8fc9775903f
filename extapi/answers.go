package extapi

import (
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/kvclef/kvclef/extapi/callers"
)

// A listing is a small request with a large answer, which is in memory until its caller has
// taken it. So it counts, from before it is made until the answer is written.
const (
	heldAnswers = 4        // bytes of all answers, times what a batch may answer
	freeAnswers = 64 << 10 // bytes of one connection's that count nowhere: small listings are always answered
	listedBytes = 45       // of an address in an answer
)

// shedAnswers is what is shed so, as the log names it.
const shedAnswers = "request: too much of answers that are not taken"

// answerRoom is what is left for large answers to all callers of all listeners. As with
// places for requests a caller may have as much as is left, so that there is some for
// the next one.
type answerRoom struct {
	mu   sync.Mutex
	left int64
	of   map[string]int64 // what principals have
}

// newAnswerRoom returns a room for answers, by the bytes that a batch may answer.
func newAnswerRoom(batch int) *answerRoom {
	return &answerRoom{left: heldAnswers * min(int64(batch), math.MaxInt64/heldAnswers), of: make(map[string]int64)}
}

// take is false if there is not so much. An answer that is larger than all the room has it
// alone.
func (r *answerRoom) take(principal string, bytes int64) bool {
	if len(r.of) > 0 && r.of[principal]+bytes > r.left {
		return false
	}
	r.move(principal, bytes)
	return true
}

func (r *answerRoom) move(principal string, bytes int64) {
	r.left -= bytes
	if r.of[principal] += bytes; r.of[principal] == 0 {
		delete(r.of, principal)
	}
}

// answerShare is what one answer has of the room. A nil one has no bounds.
type answerShare struct {
	room       *answerRoom
	principal  string
	free       *int64 // of the connection; guarded by the room's lock, as the rest is
	held, gift int64  // of the room, and of what is free
}

// shareKey is the context's key of the share.
type shareKey struct{}

// share returns what counts the listings of a request until it leaves. What is free is the
// connection's.
func (r *answerRoom) share(principal string, free *int64) *answerShare {
	return &answerShare{room: r, principal: principal, free: free}
}

// counted returns a request whose listings are a share's.
func (s *answerShare) counted(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), shareKey{}, s))
}

func (s *answerShare) leave() { s.hold(0) }

// holdAnswer counts a part of the answer that is about to be made. Keep says, once it is
// known, how much of that it is.
func holdAnswer(ctx context.Context, bytes int) (keep func(bytes int), err error) {
	s, _ := ctx.Value(shareKey{}).(*answerShare)
	if s == nil {
		return func(int) {}, nil
	}
	before := s.bytes()
	if !s.hold(before + int64(bytes)) {
		return nil, shedError{&callers.BusyError{Text: "busy: too much of answers that this caller, or all together, have not taken yet", After: time.Second}, shedAnswers}
	}
	return func(bytes int) { s.hold(before + int64(bytes)) }, nil
}

func (s *answerShare) bytes() int64 {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.held + s.gift
}

// hold makes the share as large as is said; false if there is not so much. What is free
// is used first.
func (s *answerShare) hold(bytes int64) bool {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	gift := min(bytes, s.gift+*s.free)
	if held := bytes - gift; held > s.held && !s.room.take(s.principal, held-s.held) {
		return false
	} else if held < s.held {
		s.room.move(s.principal, held-s.held)
	}
	*s.free -= gift - s.gift
	s.held, s.gift = bytes-gift, gift
	return true
}
