package hosting

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Close stops all services and their starting, and waits for that until the
// context ends. What is kept stays.
func (r *Registry) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	for _, cancel := range r.cancels {
		cancel()
	}
	r.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		r.work.Wait()
		close(idle)
	}()
	var late error
	select {
	case <-idle:
	case <-ctx.Done(): // what is started later stops by itself
		late = fmt.Errorf("waiting for hosted services that are being started: %w", context.Cause(ctx))
	}
	r.mu.Lock()
	hosted := r.hosted
	r.hosted = make(map[string]*instance)
	r.mu.Unlock()
	return errors.Join(late, stopEach(ctx, hosted))
}

// stopEach stops services at the same time.
func stopEach(ctx context.Context, hosted map[string]*instance) error {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	for id, one := range hosted {
		running := one.leave()
		if running == nil {
			continue
		}
		group.Go(func() {
			if err := stopRunning(ctx, running, one.idle); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, fmt.Errorf("the service %s: %w", id, err))
			}
		})
	}
	group.Wait()
	return failed
}
