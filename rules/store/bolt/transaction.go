package bolt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// errLost is told to a transaction that began on what then failed.
var errLost = errFailed(errors.New("a write that this one builds on was lost"))

// storageTx is a transaction of a rule file.
type storageTx struct {
	store  *Store
	epoch  uint64
	values map[string]string // put since the last flush; "" is a deletion
	delta  size              // of the store, by values
	held   int               // bytes of values and their keys in memory
	ended  bool
}

// Begin opens a transaction. It waits for the one that is open to end, in the
// order of arrival. The error is a *[BusyError] if too many are waiting.
func (s *Store) Begin(ctx context.Context) (rules.StorageTx, error) {
	tx, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// Get returns the value of a key, "" if there is none.
func (tx *storageTx) Get(key string) (string, error) {
	if tx.ended {
		return "", ErrTxClosed
	}
	if value, ok := tx.values[key]; ok {
		return value, nil
	}
	if key == "" || len(key) > MaxKey {
		return "", nil // it can't be put
	}
	return tx.store.read(key, tx.epoch)
}

// Put sets a value; "" deletes the key. The error is [ErrBounds] for an empty
// key, a key or value that is too long, and a store that is full.
func (tx *storageTx) Put(key, value string) error {
	if tx.ended {
		return ErrTxClosed
	}
	if err := store.CheckPut(key, value); err != nil {
		return err
	}
	old, err := tx.Get(key)
	if err != nil {
		return err
	}
	delta := tx.delta.plus(cost(key, value)).plus(cost(key, old).negative())
	held := tx.held + len(value)
	if former, ok := tx.values[key]; ok {
		held -= len(former)
	} else {
		held += len(key) + perKey
	}
	if err := store.CheckHeld(held); err != nil {
		return err
	}
	if err := tx.store.storage.room(delta, value); err != nil {
		return err
	}
	tx.values[strings.Clone(key)] = strings.Clone(value)
	tx.delta, tx.held = delta, held
	return nil
}

// cost is what a key adds to the store.
func cost(key, value string) size {
	if value == "" {
		return size{}
	}
	return size{keys: 1, bytes: len(key) + len(value)}
}

func (a size) negative() size { return size{-a.keys, -a.bytes} }

// room tells whether there is room for what a transaction adds. A deletion
// always has it.
func (st *storage) room(delta size, value string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	after := st.size.plus(delta)
	return store.CheckRoom(value, after.keys, after.bytes)
}

// Flush makes durable what was put so far, and waits for nothing if that is nothing:
// what was only read may not be durable before Commit, and is an error if it is known to
// be lost. After an error the transaction
// is to be rolled back; what was put may stand if ctx ended meanwhile.
func (tx *storageTx) Flush(ctx context.Context) error {
	if tx.ended {
		return ErrTxClosed
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if len(tx.values) == 0 {
		if err := tx.store.writer.health(); err != nil {
			return err
		}
		return tx.store.storage.check(tx.epoch)
	}
	done, err := tx.store.enqueue(tx.values, tx.delta, tx.epoch)
	if err != nil {
		return err
	}
	tx.values, tx.delta, tx.held = make(map[string]string), size{}, 0
	return await(ctx, done)
}

// Commit makes durable what was put since the last Flush, and ends the
// transaction. It also waits for what the transaction read to be durable. If
// ctx ends meanwhile, the error says so and what was put may stand; after any
// other error nothing of it is kept.
func (tx *storageTx) Commit(ctx context.Context) error {
	if tx.ended {
		return ErrTxClosed
	}
	if err := context.Cause(ctx); err != nil {
		tx.Rollback()
		return err
	}
	tx.ended = true
	done, err := tx.store.enqueue(tx.values, tx.delta, tx.epoch)
	tx.values = nil
	tx.store.storage.turn.leave()
	if err != nil {
		return err
	}
	return await(ctx, done)
}

// Rollback ends the transaction and forgets what was put since the last Flush.
func (tx *storageTx) Rollback() {
	if tx.ended {
		return
	}
	tx.ended, tx.values = true, nil
	tx.store.storage.turn.leave()
}

// await waits for a batch to be durable.
func await(ctx context.Context, done <-chan error) error {
	if done == nil {
		return nil
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for a write, which may stand: %w", context.Cause(ctx))
	}
}
