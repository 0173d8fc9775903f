package bolt

import (
	"errors"
	"fmt"
	"time"
)

// Why a store is not opened. The errors that wrap these name the file and say
// what to do.
var (
	ErrMissing = errors.New("there is no store")
	ErrExists  = errors.New("the file exists already")
	ErrForeign = errors.New("this is not a store of kvclef")
	ErrNewer   = errors.New("the store was made by a newer kvclef")
	ErrCorrupt = errors.New("the store is damaged")
	ErrLocked  = errors.New("the store is in use by another process")
)

// What the methods of an open store answer with.
var (
	ErrClosed   = errors.New("the store is closed")
	ErrBroken   = errors.New("the store can't tell what is on the disk, and accepts nothing until kvclef is started again")
	ErrNoHold   = errors.New("there is no such hold: it was settled before, or never made")
	ErrTxClosed = errors.New("the storage transaction has ended")
	ErrBounds   = errors.New("beyond the bounds of the storage")
)

// BusyError is a queue that is full. Nothing was done.
type BusyError struct{ Queue string }

// Error names the queue.
func (e *BusyError) Error() string { return "the queue of " + e.Queue + " is full: try again later" }

// RetryAfter is when it may be worth to try again.
func (e *BusyError) RetryAfter() time.Duration { return time.Second }

// damaged names the file, and the command that looks into it.
func damaged(path string, err error) error {
	return fmt.Errorf("%s: %w: nothing was changed; look into it with kvclef state show, and restore a backup", path, err)
}
