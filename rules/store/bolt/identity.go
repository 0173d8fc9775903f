package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	bbolt "go.etcd.io/bbolt"
)

// identity is what the file of an open store is known by. The lock of the file
// keeps other signers away, and no tool that copies: what was put in the file's
// place, or over it, would make limits forget.
type identity struct {
	path string // absolute
	file *os.File
	info fs.FileInfo
	last atomic.Uint64 // transaction that the file is known to hold
}

// errReplaced says what somebody did, and goes with [ErrBroken].
var errReplaced = errors.New("something else changed the file while it was in use")

// learn remembers the file that was opened.
func (i *identity) learn(db *bbolt.DB, file *os.File) (err error) {
	if i.path, err = filepath.Abs(db.Path()); err != nil {
		return err
	}
	i.file = file
	if i.info, err = file.Stat(); err != nil {
		return err
	}
	return guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			i.last.Store(number(tx))
			return nil
		})
	})
}

// still is check while a transaction goes on, which knows only what the file was when it
// began: written into what was put there since, it would hide that. The file is read rather
// than its mapping, which may fault and leave bbolt with its locks.
func (i *identity) still() error {
	head, err := readHead(i.file)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errReplaced, i.path, err)
	}
	return i.check(head.txid)
}

// check tells, before a transaction writes, whether the file is the one that was opened, as
// it was left: with the same newest transaction.
func (i *identity) check(newest uint64) error {
	if last := i.last.Load(); newest != last {
		return fmt.Errorf("%w: %s was at transaction %d, and is at %d", errReplaced, i.path, last, newest)
	}
	info, err := os.Stat(i.path)
	switch {
	case err != nil:
		return fmt.Errorf("%w: looking for it: %w", errReplaced, err)
	case !os.SameFile(info, i.info):
		return fmt.Errorf("%w: another file is at %s", errReplaced, i.path)
	}
	return nil
}

// view calls a function with what the file holds, which is refused if it is
// older than what was written.
func (w *writer) view(read func(tx *bbolt.Tx) error) error {
	last := w.identity.last.Load() // before the reading begins: it grows meanwhile
	err := guard(func() error {
		return w.db.View(func(tx *bbolt.Tx) error {
			if number(tx) < last {
				return fmt.Errorf("%w: %s was at transaction %d, and is at %d", errReplaced, w.identity.path, last, number(tx))
			}
			return read(tx)
		})
	})
	if errors.Is(err, errReplaced) {
		return w.breakUp(err)
	}
	return err
}

func number(tx *bbolt.Tx) uint64 { return uint64(tx.ID()) } // it counts from 0
