package memory

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"github.com/kvclef/kvclef/rules"
)

var _ rules.Shared = (*Records)(nil)

// locks are held by one at a time.
type locks struct {
	mu   sync.Mutex
	free map[string]chan struct{} // hold one token while nobody has the lock; waiters are served in order
}

// Lock waits for a lock.
func (r *Records) Lock(ctx context.Context, name string) (release func(), err error) {
	r.locks.mu.Lock()
	free := r.locks.free[name]
	if free == nil {
		free = make(chan struct{}, 1)
		free <- struct{}{}
		if r.locks.free == nil {
			r.locks.free = make(map[string]chan struct{})
		}
		r.locks.free[name] = free
	}
	r.locks.mu.Unlock()
	select {
	case <-free:
		return sync.OnceFunc(func() { free <- struct{}{} }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// RecordsSince calls a function for the records that were changed after a mark.
func (r *Records) RecordsSince(ctx context.Context, prefix string, since rules.Mark, do func(key string, value []byte) error) (rules.Mark, error) {
	if err := context.Cause(ctx); err != nil {
		return since, err
	}
	r.mu.Lock()
	mark, changed := r.mark, make(map[string][]byte)
	for key, at := range r.changed {
		if at > since && strings.HasPrefix(key, prefix) {
			changed[key] = bytes.Clone(r.kept[key])
		}
	}
	r.mu.Unlock()
	for key, value := range changed {
		if err := do(key, value); err != nil {
			return since, err
		}
	}
	return mark, nil
}
