package bolt

import (
	"context"
	"errors"
	"fmt"

	bbolt "go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// batches counts those of the writer, with its lock.
type batches struct {
	begun, ended uint64
	unsure       uint64        // up to this one, somebody did not wait for the end
	turn         chan struct{} // closed at the next end; nil if nobody waits for it
}

// ended tells that the batch being written is durable, or has failed.
func (w *writer) ended() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches.ended++
	if w.batches.turn != nil {
		close(w.batches.turn)
		w.batches.turn = nil
	}
}

// await waits until a batch has ended. The error is that of ctx, or of a store
// that is broken.
func (w *writer) await(ctx context.Context, batch uint64) error {
	for {
		w.mu.Lock()
		if w.batches.ended >= batch {
			broken := w.broken
			w.mu.Unlock()
			return broken
		}
		if w.batches.turn == nil {
			w.batches.turn = make(chan struct{})
		}
		turn := w.batches.turn
		w.mu.Unlock()
		select {
		case <-turn:
		case <-ctx.Done():
			return fmt.Errorf("waiting for what is being written: %w", context.Cause(ctx))
		}
	}
}

// abandon leaves a change that is being written to itself. What is read by
// snapshot afterwards waits for it.
func (w *writer) abandon(ctx context.Context, done <-chan error) error {
	w.mu.Lock()
	w.batches.unsure = w.batches.begun
	w.mu.Unlock()
	select {
	case err := <-done: // it came at the same time
		return err
	default:
		return fmt.Errorf("waiting for a write, which may stand: %w", context.Cause(ctx))
	}
}

// snapshot begins to read what is durable. The file shows a transaction a little
// before that: then it waits. Rollback ends the reading.
func (w *writer) snapshot(ctx context.Context) (*bbolt.Tx, error) {
	w.mu.Lock()
	unsure := w.batches.unsure
	w.mu.Unlock()
	if err := w.await(ctx, unsure); err != nil {
		return nil, err
	}
	for {
		last := w.identity.last.Load() // before the reading begins: it grows meanwhile
		tx, err := w.beginReading()
		if err != nil {
			return nil, err
		}
		seen := number(tx)
		if seen >= last && seen <= w.identity.last.Load() {
			return tx, nil
		}
		if err := tx.Rollback(); err != nil {
			return nil, err
		}
		w.mu.Lock()
		begun := w.batches.begun // with the one that wrote what was seen
		w.mu.Unlock()
		if err := w.await(ctx, begun); err != nil {
			return nil, err
		}
		if wrote := w.identity.last.Load(); seen < last || seen > wrote {
			return nil, w.breakUp(fmt.Errorf("%w: %s was at transaction %d, and is at %d", errReplaced, w.identity.path, wrote, seen))
		}
	}
}

// beginReading breaks the store up when bbolt crashes: it may hold its locks for
// good, and who asks next would wait for them.
func (w *writer) beginReading() (tx *bbolt.Tx, err error) {
	err = guard(func() error {
		tx, err = w.db.Begin(false)
		return err
	})
	var crash *crashError
	switch {
	case errors.As(err, &crash):
		return nil, w.breakUp(err)
	case errors.Is(err, bbolterrors.ErrDatabaseNotOpen):
		return nil, ErrClosed
	}
	return tx, err
}
