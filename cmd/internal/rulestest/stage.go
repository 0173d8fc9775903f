package rulestest

import (
	"sync"
	"time"
)

// Stage is what a subject meets beside requests: a clock and a console.
type Stage struct {
	mu      sync.Mutex // machines are prepared in the background
	now     time.Time  // zero: the clock on the wall
	printed []Line
}

// Enter begins a step, at a time.
func (s *Stage) Enter(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.printed = now, nil
}

// Clock is the time of the step.
func (s *Stage) Clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.IsZero() {
		return time.Now()
	}
	return s.now
}

// Print notes a line that a rule file printed.
func (s *Stage) Print(level, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.printed = append(s.printed, Line{level, text})
}

// lines returns what was printed in the step.
func (s *Stage) lines() []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.printed
}
