package bolt

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	bbolt "go.etcd.io/bbolt"
)

// settleTimeout bounds how long a copy waits for the disk.
const settleTimeout = 10 * time.Second

// Backup writes a copy of the store as it is now, and returns its size in
// bytes. The store goes on working meanwhile; the copy is a store.
func (s *Store) Backup(w io.Writer) (n int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if err := s.settled(ctx); err != nil {
		s.logger.Warn("the copy relies on the audit log for what is held since", "error", err)
	}
	if err := s.writer.health(); err != nil {
		return 0, err
	}
	err = guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			to := w
			if number(tx)%2 == 1 {
				to = &headsInTurn{to: w, size: s.db.Info().PageSize}
			}
			n, err = tx.WriteTo(to)
			return err
		})
	})
	if err != nil {
		return n, fmt.Errorf("writing the backup: %w", err)
	}
	return n, nil
}

// Copy writes a copy of the store at a path, which no process has open, and
// returns its size in bytes. It is as it is: a store of an older format stays one,
// so that the kvclef that wrote it opens the copy. [ErrLocked] tells that a process
// has it open, whose Backup copies it.
func Copy(path string, w io.Writer) (n int64, err error) {
	_, err = unwritten(path, func(file *os.File) error {
		info, err := file.Stat()
		if err == nil {
			n, err = io.Copy(w, io.NewSectionReader(file, 0, info.Size()))
		}
		return err
	})
	return n, err
}

// headsInTurn swaps the two heads of a copy. A transaction with an odd number has
// the second head, and bbolt copies the newest one to the first: the next
// transaction would then be written over it, and not over the older.
type headsInTurn struct {
	to    io.Writer
	size  int    // of a page
	heads []byte // until both are whole
	past  bool
}

// Write keeps the heads until both are whole.
func (h *headsInTurn) Write(data []byte) (int, error) {
	if h.past {
		return h.to.Write(data)
	}
	take := min(len(data), 2*h.size-len(h.heads))
	h.heads = append(h.heads, data[:take]...)
	if len(h.heads) < 2*h.size {
		return take, nil
	}
	h.past = true
	first, second := h.heads[pageHeader:pageHeader+metaSize], h.heads[h.size+pageHeader:h.size+pageHeader+metaSize]
	for i := range first {
		first[i], second[i] = second[i], first[i]
	}
	if _, err := h.to.Write(h.heads); err != nil {
		return 0, err
	}
	n, err := h.to.Write(data[take:])
	return take + n, err
}
