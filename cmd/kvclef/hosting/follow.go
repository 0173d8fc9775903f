package hosting

import (
	"bytes"
	"context"
	"maps"
	"time"
)

// followInterval is how often a replica looks whether another has changed something.
const followInterval = time.Second

// follow serves what other replicas make, and stops what they delete, until the context
// ends.
func (r *Registry) follow(ctx context.Context) {
	failed := ""
	for {
		switch err := r.keepUp(ctx); {
		case err == nil:
			failed = ""
		case ctx.Err() == nil && err.Error() != failed: // once, not with every look
			failed = err.Error()
			r.log.ErrorContext(ctx, "Hosted services of other replicas not looked at", "error", err)
		}
		if !pause(ctx, followInterval) {
			return
		}
	}
}

// keepUp looks once. Every change raises the generation, so that its record tells whether
// there is anything to look at.
func (r *Registry) keepUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	generation, err := r.shelf.records.Record(ctx, keyGeneration)
	if err != nil {
		return err
	}
	r.mu.RLock()
	same := r.seen != nil && bytes.Equal(r.seen, generation)
	looks := r.looks
	r.mu.RUnlock()
	if same {
		return nil
	}
	kept, err := r.shelf.load(ctx)
	if err != nil {
		return err
	}
	for id, service := range kept.services {
		if kept.serving[id] == serveOpen {
			if err := r.launch(ctx, service, kept.configurations[service.Details.CloudHSMID]); err != nil {
				return err
			}
		}
	}
	r.mu.RLock()
	hosted := maps.Clone(r.hosted)
	r.mu.RUnlock()
	for id, one := range hosted {
		if _, there := kept.services[id]; !there {
			r.discard(ctx, one)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looks == looks { // else something was left to others that may have failed since
		r.seen = generation
	}
	return nil
}

// discard stops a service that another replica has deleted.
func (r *Registry) discard(ctx context.Context, one *instance) {
	id := one.service.ID
	r.mu.Lock()
	mine := r.hosted[id] == one && r.busy[id] == 0 && !r.closed
	if mine {
		delete(r.hosted, id)
		r.work.Add(1)
	}
	r.mu.Unlock()
	if !mine {
		return
	}
	go func() {
		defer r.work.Done()
		if err := r.stop(ctx, one); err != nil {
			r.log.WarnContext(ctx, "Hosted service that another replica deleted did not stop", "id", id, "error", err)
			return
		}
		r.log.InfoContext(ctx, "Hosted service stopped: another replica deleted it", "id", id, "name", one.service.Name)
		r.told(id)
	}()
}

// occupy leaves a service to the caller, who makes or deletes it, until done is called.
func (r *Registry) occupy(id string) (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[id]++
	r.looks++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.busy[id]--; r.busy[id] == 0 {
			delete(r.busy, id)
		}
		r.looks++
		r.seen = nil // however it ended
	}
}
