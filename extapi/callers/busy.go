package callers

import (
	"fmt"
	"time"
)

// BusyError says that a caller is over one of its bounds.
type BusyError struct {
	Text  string        // fit for the caller
	After time.Duration // when to come back, above 0
}

// Error returns the text.
func (e *BusyError) Error() string { return e.Text }

// Public returns the text: it tells the caller of nobody else.
func (e *BusyError) Public() string { return e.Text }

// RetryAfter returns how long to wait.
func (e *BusyError) RetryAfter() time.Duration { return max(e.After, time.Millisecond) }

// NotSigned is always true.
func (*BusyError) NotSigned() bool { return true }

const tooMuchWork = "busy: too many authorizations and blobs at once"

func tooManyRequests(rate float64) string {
	switch {
	case rate >= 1:
		return fmt.Sprintf("busy: this caller may send %.4g requests a second", rate)
	case rate >= 1./60:
		return fmt.Sprintf("busy: this caller may send %.4g requests a minute", rate*60)
	default:
		return fmt.Sprintf("busy: this caller may send %.4g requests an hour", rate*3600)
	}
}

func tooManyUnderWay(limit int) string {
	return fmt.Sprintf("busy: this caller has %d requests under way, and may not have more", limit)
}

func tooManyTogether(has int) string {
	return fmt.Sprintf("busy: this caller has %d requests under way, and may not have more while there are so many", has)
}
