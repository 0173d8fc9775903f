package store

import (
	"errors"
	"time"
)

// Why a store is not opened. The errors that wrap these name the store and say
// what to do.
var (
	ErrMissing = errors.New("there is no store")
	ErrForeign = errors.New("this is not a store of kvclef")
	ErrOlder   = errors.New("the store was made by an older kvclef")
	ErrNewer   = errors.New("the store was made by a newer kvclef")
)

// What the methods of an open store answer with.
var (
	ErrClosed   = errors.New("the store is closed")
	ErrNoHold   = errors.New("there is no such hold: it was settled before, or never made")
	ErrTxClosed = errors.New("the storage transaction has ended")
	ErrBounds   = errors.New("beyond the bounds of the storage")
)

// Bounds of the storage of rule files.
const (
	MaxKey     = 1 << 10   // bytes of a key
	MaxValue   = 1 << 20   // bytes of a value
	MaxKeys    = 100_000   // of the store
	MaxBytes   = 256 << 20 // of all keys and values of the store
	MaxTxBytes = 16 << 20  // that a transaction holds in memory
	PerKey     = 64        // bytes that a key costs there, however short
)

// BusyError is a queue that is full. Nothing was done.
type BusyError struct{ Queue string }

// Error names the queue.
func (e *BusyError) Error() string { return "the queue of " + e.Queue + " is full: try again later" }

// RetryAfter is when it may be worth to try again.
func (e *BusyError) RetryAfter() time.Duration { return time.Second }
