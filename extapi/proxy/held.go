package proxy

import (
	"io"
	"sync/atomic"
)

// freeAnswer is what each request may hold of answers without asking, in bytes, so
// that small ones pass when others hold large ones.
const freeAnswer = 64 << 10

// held is what answers that are not streamed may take in memory, for all callers.
type held struct{ left atomic.Int64 }

// share returns what one request may have of it, at most so many bytes.
func (h *held) share(most int64) *share { return &share{all: h, most: most} }

// share is what one request has of the memory for answers. It is closed when its
// answer has been sent. It is used by one goroutine at a time.
type share struct {
	all  *held
	most int64 // bytes that it may have
	has  int64 // bytes that it has
}

// counted is how many of so many bytes are not free.
func counted(bytes int64) int64 { return max(bytes-freeAnswer, 0) }

// take takes memory for an answer.
func (s *share) take(bytes int) *wireError {
	has := s.has + int64(bytes)
	if has > s.most {
		return errNodeLarge
	}
	more := counted(has) - counted(s.has)
	if more > 0 && s.all.left.Add(-more) < 0 {
		s.all.left.Add(more)
		return errHeld
	}
	s.has = has
	return nil
}

// give gives memory back down to what it had before.
func (s *share) give(before int64) {
	s.all.left.Add(counted(s.has) - counted(before))
	s.has = before
}

// close gives all of it back.
func (s *share) close() { s.give(0) }

// taking reads what there is memory for.
type taking struct {
	from io.Reader
	*share
}

// Read reads a piece. Its error is a wireError when there is no memory.
func (t taking) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	if fault := t.take(n); fault != nil {
		return 0, fault
	}
	return n, err
}
