package bolt

import (
	"errors"
	"fmt"
	"runtime/debug"

	bbolt "go.etcd.io/bbolt"
)

// crashError is a panic of bbolt, or a fault in the file that it maps.
type crashError struct{ reason any }

func (e *crashError) Error() string { return fmt.Sprintf("bbolt crashed: %v", e.reason) }

// guard calls a function that reads the mapped file.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if reason := recover(); reason != nil {
			err = &crashError{reason: reason}
		}
	}()
	return f()
}

// examine finds out whether a transaction that failed is on the disk after all,
// in part or in whole. Then what was refused may stand, and nothing that
// follows can be trusted.
func (w *writer) examine(id int, cause error) {
	var last int
	err := guard(func() error {
		return w.db.View(func(tx *bbolt.Tx) error {
			last = tx.ID()
			return nil
		})
	})
	var crash *crashError
	if err == nil && last < id && !errors.As(cause, &crash) && !errors.Is(cause, errReplaced) {
		return
	}
	_ = w.breakUp(cause) // which whoever asks next is told
}

// breakUp refuses everything from now on, and returns the error for it.
func (w *writer) breakUp(cause error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = fmt.Errorf("%w: %w", ErrBroken, cause)
		w.logger.Error("store broken: nothing is signed until kvclef is started again", "path", w.identity.path, "error", cause)
	}
	return w.broken
}
