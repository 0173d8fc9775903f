package bolt

import (
	"errors"
	"fmt"

	"github.com/kvclef/kvclef/rules/store"
)

// Why a store is not opened. The errors that wrap these name the file and say
// what to do.
var (
	ErrMissing = store.ErrMissing
	ErrExists  = errors.New("the file exists already")
	ErrForeign = store.ErrForeign
	ErrNewer   = store.ErrNewer
	ErrCorrupt = errors.New("the store is damaged")
	ErrLocked  = errors.New("the store is in use by another process")
)

// What the methods of an open store answer with.
var (
	ErrClosed   = store.ErrClosed
	ErrBroken   = errors.New("the store can't tell what is on the disk, and accepts nothing until kvclef is started again")
	ErrNoHold   = store.ErrNoHold
	ErrTxClosed = store.ErrTxClosed
	ErrBounds   = store.ErrBounds

	// ErrUncounted is of what was reserved and does not fit into the file.
	ErrUncounted = errors.New("what was reserved can't be counted")
)

// BusyError is a queue that is full. Nothing was done.
type BusyError = store.BusyError

// damaged names the file, and the command that looks into it.
func damaged(path string, err error) error {
	return fmt.Errorf("%s: %w: nothing was changed; look into it with kvclef state show, and restore a backup", path, err)
}
