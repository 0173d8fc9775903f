package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// storage is what the transactions of a rule file share.
type storage struct {
	turn *turn // of this process
	lock int64 // among all
}

// storageTx is a transaction of a rule file. Its session has the lock that all
// processes share, and what it writes is written by that session: when the lock is
// lost, nothing can be written any more.
type storageTx struct {
	store  *Store
	on     *session
	size   storageSize
	values map[string]string // put since the last flush; "" is a deletion
	held   int               // bytes of values and their keys in memory
	ended  bool
}

// storageSize is what the storage holds.
type storageSize struct{ keys, bytes int }

// Begin opens a transaction. It waits for the one that is open to end, in the
// order of arrival at this process, which takes turns with others. The error is
// a *[store.BusyError] if too many are waiting.
func (s *Store) Begin(ctx context.Context) (rules.StorageTx, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if err := s.storage.turn.enter(ctx); err != nil {
		return nil, err
	}
	tx, err := s.begin(ctx)
	if err != nil {
		s.storage.turn.leave()
		return nil, fmt.Errorf("beginning a storage transaction: %w", err)
	}
	return tx, nil
}

func (s *Store) begin(ctx context.Context) (*storageTx, error) {
	on, err := s.lockSession(ctx, s.storage.lock)
	if err != nil {
		return nil, err
	}
	tx := &storageTx{store: s, on: on}
	tx.forget()
	step, cancel, err := s.reading(ctx)
	if err != nil {
		on.drop()
		return nil, err
	}
	defer cancel()
	err = on.do(step, func(conn *pgx.Conn) error {
		return conn.QueryRow(step, "SELECT keys, bytes FROM storage_size").Scan(&tx.size.keys, &tx.size.bytes)
	})
	return tx, err
}

func (tx *storageTx) forget() {
	tx.values, tx.held = make(map[string]string), 0
}

// Get returns the value of a key, "" if there is none.
func (tx *storageTx) Get(key string) (string, error) {
	if tx.ended {
		return "", ErrTxClosed
	}
	if value, ok := tx.values[key]; ok {
		return value, nil
	}
	if key == "" || len(key) > store.MaxKey {
		return "", nil // it can't be put
	}
	step, cancel := tx.store.step()
	defer cancel()
	var value []byte
	err := tx.on.do(step, func(conn *pgx.Conn) error {
		err := conn.QueryRow(step, "SELECT value FROM storage WHERE key = $1", []byte(key)).Scan(&value)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading the storage: %w", err)
	}
	return string(value), nil
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
	held := tx.held + len(value)
	if former, ok := tx.values[key]; ok {
		held -= len(former)
	} else {
		held += len(key) + store.PerKey
	}
	after := tx.size.plus(key, value, 1).plus(key, old, -1)
	if err := cmp.Or(store.CheckHeld(held), store.CheckRoom(value, after.keys, after.bytes)); err != nil {
		return err
	}
	tx.values[strings.Clone(key)] = strings.Clone(value)
	tx.size, tx.held = after, held
	return nil
}

// plus adds a key, or takes one off; an empty value is none.
func (a storageSize) plus(key, value string, sign int) storageSize {
	if value == "" {
		return a
	}
	return storageSize{keys: a.keys + sign, bytes: a.bytes + sign*(len(key)+len(value))}
}

// Flush makes durable what was put so far. After an error the transaction is to
// be rolled back; what was put may stand if the connection was lost.
func (tx *storageTx) Flush(ctx context.Context) error {
	if tx.ended {
		return ErrTxClosed
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if len(tx.values) == 0 {
		return nil
	}
	err := tx.write(ctx, false)
	tx.forget()
	return err
}

// Commit makes durable what was put since the last Flush, and ends the
// transaction. If ctx ends or the connection is lost meanwhile, the error says so
// and what was put may stand; after any other error nothing of it is kept.
func (tx *storageTx) Commit(ctx context.Context) error {
	if tx.ended {
		return ErrTxClosed
	}
	if err := tx.store.usable(ctx); err != nil {
		tx.Rollback()
		return err
	}
	tx.ended = true
	defer tx.store.storage.turn.leave()
	if len(tx.values) == 0 {
		tx.on.release()
		return nil
	}
	err := tx.write(ctx, true)
	tx.values = nil
	if err != nil { // it may not have come to that: the lock is not to stay behind
		tx.on.drop()
		return err
	}
	tx.on.giveBack()
	return nil
}

// write sends what was put.
func (tx *storageTx) write(ctx context.Context, end bool) error {
	var keys, values [][]byte
	for _, key := range slices.Sorted(maps.Keys(tx.values)) {
		keys, values = append(keys, []byte(key)), append(values, []byte(tx.values[key]))
	}
	step, cancel, err := tx.store.reading(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	began := time.Now()
	is, err := tx.store.appear(step, tx.store.witnesses.storing)
	if err != nil {
		return fmt.Errorf("writing the storage: %w", err)
	}
	var count *int64
	err = tx.on.do(step, func(conn *pgx.Conn) error {
		return commits(conn, func() error {
			return conn.QueryRow(step, counting(4)+"SELECT "+counted+" FROM store($1, $2, $3, $4)",
				tx.store.storage.lock, keys, values, end, is.session, tx.store.options.Replica, is.count).Scan(&count)
		})
	})
	if err == nil {
		err = tx.store.attested(tx.store.witnesses.storing, is, count)
	}
	if err != nil {
		return fmt.Errorf("writing the storage: %w", err)
	}
	tx.store.options.Committed(time.Since(began))
	return nil
}

// Rollback ends the transaction and forgets what was put since the last Flush.
func (tx *storageTx) Rollback() {
	if tx.ended {
		return
	}
	tx.ended, tx.values = true, nil
	tx.on.release()
	tx.store.storage.turn.leave()
}
