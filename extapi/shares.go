package extapi

import "sync"

// Shares are places that callers have for as long as they like, such as connections. One who
// has as many as are left gets no more, so that there are some for the next one.
type Shares struct {
	apart bool

	mu   sync.Mutex
	left int
	of   map[string]int // what principals have
}

// NewShares returns places. Where callers are not told apart, one can have all.
func NewShares(count int, apart bool) *Shares {
	return &Shares{apart: apart, left: count, of: make(map[string]int)}
}

// Enter takes a place; false if there is none for the caller.
func (s *Shares) Enter(principal string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 || s.apart && s.of[principal] >= s.left {
		return false
	}
	s.left--
	s.of[principal]++
	return true
}

// Leave gives a place back.
func (s *Shares) Leave(principal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left++
	if s.of[principal]--; s.of[principal] == 0 {
		delete(s.of, principal)
	}
}
