package bolt

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules/store"
)

// Bounds of the storage.
const (
	MaxKey   = store.MaxKey
	MaxValue = store.MaxValue
	MaxKeys  = store.MaxKeys
	MaxBytes = store.MaxBytes
	perKey   = store.PerKey
)

// storage is what the transactions of a rule file share. What is committed
// lies over the file until it is in it.
type storage struct {
	turn queue

	mu      sync.Mutex
	overlay map[string]pending
	waiting int    // commits that are not in the file yet
	commit  uint64 // number of the last
	epoch   uint64 // counts the failures: what began before one does not stand

	size    size // with the overlay
	durable size // without
}

// pending is a value that is not in the file yet.
type pending struct {
	value  string
	commit uint64
}

// size is what the storage holds.
type size struct{ keys, bytes int }

func (a size) plus(b size) size { return size{a.keys + b.keys, a.bytes + b.bytes} }

// batch is what a transaction put, on its way to the file.
type batch struct {
	values map[string]string
	commit uint64
	epoch  uint64
	delta  size
}

// errFailed is told to what was built on a commit that failed.
func errFailed(err error) error {
	return fmt.Errorf("the storage, or a write before this one: %w", err)
}

// enqueue puts a batch over the file and in the writer's queue, in one step, so
// that batches reach the file in the order in which they were committed. The
// result comes on the channel, which is nil if there is nothing to wait for.
func (s *Store) enqueue(values map[string]string, delta size, epoch uint64) (<-chan error, error) {
	// What only reads may rest on what is known to be wrong by now.
	if err := s.writer.health(); err != nil {
		return nil, err
	}
	st := &s.storage
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.epoch != epoch {
		return nil, errLost
	}
	if len(values) == 0 && st.waiting == 0 {
		return nil, nil //nolint:nilnil // nothing was put, and all that was read is durable
	}
	b := &batch{values: values, commit: st.commit + 1, epoch: epoch, delta: delta}
	done := make(chan error, 1)
	var lost error
	err := s.writer.add(&change{
		apply: func(t *tables) error {
			if lost = st.check(epoch); lost == nil {
				return b.write(t)
			}
			return nil
		},
		settle: func(err error) {
			if err == nil && lost != nil {
				done <- lost
				return
			}
			st.settle(b, err)
			if err != nil {
				err = errFailed(err)
			}
			done <- err
		},
	}, false)
	if err != nil {
		return nil, err
	}
	st.commit++
	st.waiting++
	st.size = st.size.plus(delta)
	for key, value := range values {
		st.overlay[key] = pending{value: value, commit: b.commit}
	}
	return done, nil
}

// write applies a batch to the file, in the order of keys: bbolt is slow to put
// many of them between others.
func (b *batch) write(t *tables) error {
	for _, key := range slices.Sorted(maps.Keys(b.values)) {
		value := b.values[key]
		if value == "" {
			if err := t.remove(bucketStorage, []byte(key)); err != nil {
				return err
			}
			continue
		}
		if err := t.put(bucketStorage, []byte(key), []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

// check tells whether what began in an epoch still stands.
func (st *storage) check(epoch uint64) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.epoch != epoch {
		return errLost
	}
	return nil
}

// settle takes a batch that is in the file out of the overlay. If it failed,
// all that lies over the file goes: it was built on it.
func (st *storage) settle(b *batch, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.epoch != b.epoch {
		return
	}
	if err != nil {
		st.epoch++
		st.overlay = make(map[string]pending)
		st.waiting = 0
		st.size = st.durable
		return
	}
	st.waiting--
	st.durable = st.durable.plus(b.delta)
	for key := range b.values {
		if st.overlay[key].commit == b.commit {
			delete(st.overlay, key)
		}
	}
}

// read returns a value as the last commit left it.
func (s *Store) read(key string, epoch uint64) (value string, err error) {
	st := &s.storage
	st.mu.Lock()
	over, ok := st.overlay[key]
	lost := st.epoch != epoch
	st.mu.Unlock()
	if lost {
		return "", errLost
	}
	if ok {
		return over.value, nil
	}
	err = s.writer.view(func(tx *bbolt.Tx) error {
		bucket, err := bucketOf(tx, bucketStorage)
		if err == nil {
			value = string(bucket.Get([]byte(key)))
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading the store: %w", err)
	}
	return value, nil
}

// begin opens a transaction when it is its turn.
func (s *Store) begin(ctx context.Context) (*storageTx, error) {
	if err := s.writer.health(); err != nil {
		return nil, err
	}
	if err := s.storage.turn.enter(ctx); err != nil {
		return nil, err
	}
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	return &storageTx{store: s, epoch: s.storage.epoch, values: make(map[string]string)}, nil
}
