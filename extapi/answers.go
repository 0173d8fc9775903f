package extapi

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/kvclef/kvclef/extapi/callers"
)

// A listing is a small request with a large answer, which is in memory until its caller has
// taken it. So it counts, from before it is made until the answer is written.
const (
	heldAnswers = 4  // bytes of all answers, times what a batch may answer
	listedBytes = 45 // of an address in an answer
)

// FreeAnswers is how many bytes of one connection's listings count nowhere: small ones are always
// answered.
const FreeAnswers = 64 << 10

// shedAnswers is what is shed so, as the log names it.
const shedAnswers = "request: too much of answers that are not taken"

// AnswerRoom is what is left for large answers to all callers of all listeners that share it. As
// with places for requests a caller may have as much as is left, so that there is some for
// the next one.
type AnswerRoom struct {
	mu   sync.Mutex
	left int64
	of   map[string]int64 // what principals have
}

// NewAnswerRoom returns a room for answers, by the bytes that a batch may answer.
func NewAnswerRoom(batch int) *AnswerRoom {
	return &AnswerRoom{left: heldAnswers * min(int64(batch), math.MaxInt64/heldAnswers), of: make(map[string]int64)}
}

// take is false if there is not so much. An answer that is larger than all the room has it
// alone.
func (r *AnswerRoom) take(principal string, bytes int64) bool {
	if len(r.of) > 0 && r.of[principal]+bytes > r.left {
		return false
	}
	r.move(principal, bytes)
	return true
}

func (r *AnswerRoom) move(principal string, bytes int64) {
	r.left -= bytes
	if r.of[principal] += bytes; r.of[principal] == 0 {
		delete(r.of, principal)
	}
}

// AnswerShare is what one answer has of the room.
type AnswerShare struct {
	room       *AnswerRoom
	principal  string
	free       *int64 // of the connection; guarded by the room's lock, as the rest is
	held, gift int64  // of the room, and of what is free
}

// shareKey is the context's key of the share.
type shareKey struct{}

// Share returns what counts the listings of a caller's request until it leaves. What is free is the
// connection's, which begins with [FreeAnswers].
func (r *AnswerRoom) Share(principal string, free *int64) *AnswerShare {
	return &AnswerShare{room: r, principal: principal, free: free}
}

// Into returns the context of requests whose listings are the share's. Without one they have no
// bounds.
func (s *AnswerShare) Into(ctx context.Context) context.Context {
	return context.WithValue(ctx, shareKey{}, s)
}

// Leave says that the answer has been taken, or that nobody will.
func (s *AnswerShare) Leave() { s.hold(0) }

// holdAnswer counts a part of the answer that is about to be made. Keep says, once it is
// known, how much of that it is.
func holdAnswer(ctx context.Context, bytes int) (keep func(bytes int), err error) {
	s, _ := ctx.Value(shareKey{}).(*AnswerShare)
	if s == nil {
		return func(int) {}, nil
	}
	before := s.bytes()
	if !s.hold(before + int64(bytes)) {
		return nil, shedError{&callers.BusyError{Text: "busy: too much of answers that this caller, or all together, have not taken yet", After: time.Second}, shedAnswers}
	}
	return func(bytes int) { s.hold(before + int64(bytes)) }, nil
}

func (s *AnswerShare) bytes() int64 {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	return s.held + s.gift
}

// hold makes the share as large as is said; false if there is not so much. What is free
// is used first.
func (s *AnswerShare) hold(bytes int64) bool {
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
