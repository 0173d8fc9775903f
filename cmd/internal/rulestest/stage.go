package rulestest

import (
	"sync"
	"time"
)

// stage is what the rule file meets beside requests: a clock and a console.
type stage struct {
	mu      sync.Mutex // machines are prepared in the background
	now     time.Time  // zero: the clock on the wall
	printed []Line
}

// enter begins a step.
func (s *stage) enter(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.printed = now, nil
}

func (s *stage) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.IsZero() {
		return time.Now()
	}
	return s.now
}

func (s *stage) print(level, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.printed = append(s.printed, Line{level, text})
}

// lines returns what was printed in the step.
func (s *stage) lines() []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.printed
}
