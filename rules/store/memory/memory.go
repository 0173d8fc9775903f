// Package memory keeps the values of a rule file, what counts against limits and
// records in memory: for tests, and for trying rules out. It never reaches a disk, so
// that nothing that must outlive the process may rest on it.
package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// errEnded is for a transaction that is used after its end.
var errEnded = errors.New("the transaction has ended")

// Storage implements rules.Storage.
type Storage struct {
	turn chan struct{} // holds one token while no transaction is open; waiters are served in order
	mu   sync.Mutex
	kept map[string]string
	room room // that kept takes
}

var _ rules.Storage = (*Storage)(nil)

// New returns a storage that holds values; nil is an empty one.
func New(values map[string]string) *Storage {
	s := &Storage{turn: make(chan struct{}, 1), kept: make(map[string]string, len(values))}
	for key, value := range values {
		s.kept[key] = value
		s.room = s.room.plus(roomOf(key, value))
	}
	s.turn <- struct{}{}
	return s
}

// Snapshot returns a copy of what is kept.
func (s *Storage) Snapshot() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.kept)
}

// Begin opens the transaction.
func (s *Storage) Begin(ctx context.Context) (rules.StorageTx, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("waiting for the storage: %w", err)
	}
	select {
	case <-s.turn:
		return &transaction{storage: s, values: make(map[string]string)}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the storage: %w", ctx.Err())
	}
}

// transaction holds what was put since the last flush.
type transaction struct {
	storage *Storage
	values  map[string]string // "" deletes
	added   room              // by the values
	held    int               // bytes of the values, as they count against the bound
	ended   bool
}

// Get returns the value of a key.
func (t *transaction) Get(key string) (string, error) {
	if t.ended {
		return "", errEnded
	}
	if value, ok := t.values[key]; ok {
		return value, nil
	}
	t.storage.mu.Lock()
	defer t.storage.mu.Unlock()
	return t.storage.kept[key], nil
}

// Put sets a value. It has the bounds of the stores that last, so that what is tried
// here fails as it would there.
func (t *transaction) Put(key, value string) error {
	if t.ended {
		return errEnded
	}
	if err := store.CheckPut(key, value); err != nil {
		return err
	}
	old, err := t.Get(key)
	if err != nil {
		return err
	}
	added := t.added.plus(roomOf(key, value)).less(roomOf(key, old))
	held := t.held + len(key) + store.PerKey + len(value)
	if former, ok := t.values[key]; ok {
		held -= len(key) + store.PerKey + len(former)
	}
	after := t.storage.room.plus(added) // nobody else has a transaction that could change it
	if err := cmp.Or(store.CheckHeld(held), store.CheckRoom(value, after.keys, after.bytes)); err != nil {
		return err
	}
	t.values[key], t.added, t.held = value, added, held
	return nil
}

// Flush keeps what was put so far.
func (t *transaction) Flush(ctx context.Context) error {
	if t.ended {
		return errEnded
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t.storage.mu.Lock()
	defer t.storage.mu.Unlock()
	for key, value := range t.values {
		if value == "" {
			delete(t.storage.kept, key)
		} else {
			t.storage.kept[key] = value
		}
	}
	t.storage.room = t.storage.room.plus(t.added)
	t.added, t.held = room{}, 0
	clear(t.values)
	return nil
}

// Commit keeps what was put, and ends the transaction.
func (t *transaction) Commit(ctx context.Context) error {
	if t.ended {
		return errEnded
	}
	err := t.Flush(ctx)
	t.Rollback()
	return err
}

// Rollback ends the transaction.
func (t *transaction) Rollback() {
	if !t.ended {
		t.ended = true
		t.storage.turn <- struct{}{}
	}
}

// room is what keys and values take.
type room struct{ keys, bytes int }

func (a room) plus(b room) room { return room{a.keys + b.keys, a.bytes + b.bytes} }
func (a room) less(b room) room { return room{a.keys - b.keys, a.bytes - b.bytes} }

// roomOf is what a value takes with its key; one that deletes takes nothing.
func roomOf(key, value string) room {
	if value == "" {
		return room{}
	}
	return room{1, len(key) + len(value)}
}
