// Package memory keeps the values of a rule file, what counts against limits and
// records in memory: for tests, and for trying rules out. It never reaches a disk, so
// that nothing that must outlive the process may rest on it.
package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/kvclef/kvclef/rules"
)

// Bounds of what is kept, in bytes.
const (
	maxKey   = 1 << 10
	maxValue = 1 << 20
)

// errEnded is for a transaction that is used after its end.
var errEnded = errors.New("the transaction has ended")

// Storage implements rules.Storage.
type Storage struct {
	turn chan struct{} // holds one token while no transaction is open; waiters are served in order
	mu   sync.Mutex
	kept map[string]string
}

var _ rules.Storage = (*Storage)(nil)

// New returns a storage that holds values; nil is an empty one.
func New(values map[string]string) *Storage {
	s := &Storage{turn: make(chan struct{}, 1), kept: make(map[string]string, len(values))}
	maps.Copy(s.kept, values)
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

// Put sets a value.
func (t *transaction) Put(key, value string) error {
	switch {
	case t.ended:
		return errEnded
	case key == "":
		return errors.New("the key is empty")
	case len(key) > maxKey:
		return fmt.Errorf("the key has %d bytes: at most %d are kept", len(key), maxKey)
	case len(value) > maxValue:
		return fmt.Errorf("the value has %d bytes: at most %d are kept", len(value), maxValue)
	}
	t.values[key] = value
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
