package approval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// epoch is the policy in force as it was seen last, and since when it is.
type epoch struct {
	mu     sync.Mutex
	seen   bool
	policy common.Hash
	since  time.Time
}

// inForce returns the policy in force, and since when it is here.
func (q *Queue) inForce() (policy common.Hash, since time.Time) {
	q.epoch.mu.Lock()
	defer q.epoch.mu.Unlock()
	if policy = q.cfg.InForce(); !q.epoch.seen || policy != q.epoch.policy {
		q.epoch.seen, q.epoch.policy, q.epoch.since = true, policy, q.cfg.Clock()
	}
	return policy, q.epoch.since
}

// voidAtOnce is how many void tickets are ended at once: a store makes them durable
// together.
const voidAtOnce = 32

// Void ends the tickets of the policy that was left, durably, and gives back what they
// hold: it is called whenever another policy comes into force, so that they stay void
// when that one goes back. What can't be ended now is void in this process, and ended by
// the sweep as soon as it can be.
func (q *Queue) Void(ctx context.Context, left common.Hash) (ended int, err error) {
	var failed error
	if err := q.takeOver(ctx); err != nil {
		failed = err
	}
	var group sync.WaitGroup
	var mu sync.Mutex // of ended and failed
	places := make(chan struct{}, voidAtOnce)
	for _, e := range q.condemn(left) {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			done, err := q.endVoid(ctx, e)
			mu.Lock()
			defer mu.Unlock()
			if done {
				ended++
			}
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("ticket %s: %w", e.content.ID, err))
			}
		})
	}
	group.Wait()
	return ended, failed
}

// condemn marks the tickets that are to be ended, also those in use: they may come
// back unsigned. All of the policy that was left were opened before, whatever the
// clocks of other processes say.
func (q *Queue) condemn(left common.Hash) []*entry {
	q.mu.Lock()
	entries := make([]*entry, 0, len(q.tickets))
	for _, e := range q.tickets {
		entries = append(entries, e)
	}
	q.mu.Unlock()
	return slices.DeleteFunc(entries, func(e *entry) bool {
		due := q.outdated(e) || q.void(e) && e.content.Policy == left
		if r, used, _ := e.look(); !due || r.State.Ended() && !used {
			return true
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.condemned = true
		return false
	})
}

// condemns reports whether a ticket was void once.
func (e *entry) condemns() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.condemned
}

// void reports whether a ticket is of a policy that is not in force here, or was not
// at some time since it was opened: nobody approves or uses it here.
func (q *Queue) void(e *entry) bool {
	if e.content.Policy == (common.Hash{}) || q.cfg.InForce == nil {
		return false
	}
	policy, _ := q.inForce()
	return policy != e.content.Policy || e.condemns()
}

// outdated reports whether a void ticket is to be ended. Other processes may have
// another policy for a while, when they are told of a new one after each other: what
// was opened here, or before the policy in force came into force here, is of one that
// is gone. What others have opened since is theirs: they may be ahead, or end it
// themselves when they follow.
func (q *Queue) outdated(e *entry) bool {
	if !q.void(e) {
		return false
	}
	_, since := q.inForce()
	return q.cfg.Shared == nil || e.mine || e.condemns() || e.content.Opened.Before(since)
}

// endVoid ends a ticket that is outdated, also one whose approval a request is about
// to use: that finds it void.
func (q *Queue) endVoid(ctx context.Context, e *entry) (done bool, err error) {
	if err := e.enter(ctx); err != nil {
		return false, err
	}
	defer e.leave()
	if err := q.settleDoubt(ctx, e); err != nil {
		if errors.Is(err, ErrUnknown) { // another process has removed it
			err = nil
		}
		return false, err
	}
	r := e.now()
	if r.State != StateOpen && r.State != StateApproved || !q.outdated(e) {
		return false, nil
	}
	r.State, r.Decided = StateVoid, q.cfg.Clock().UTC()
	if err := q.change(ctx, e, r); err != nil {
		q.cfg.Logger.WarnContext(ctx, "Void ticket not ended", "ticket", e.content.ID, "error", err)
		return false, err
	}
	q.decided(ctx, e, WhatVoid)
	return true, nil
}
