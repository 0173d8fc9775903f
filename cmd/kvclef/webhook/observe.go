package webhook

import (
	"context"

	"github.com/kvclef/kvclef/rules/approval"
)

// observer finds out what happens to tickets. It misses nothing but what came and
// went while it was too slow.
type observer struct {
	tickets Tickets
	known   map[string]approval.State
}

// newObserver returns an observer that tells nothing of what is there already.
func newObserver(tickets Tickets) *observer {
	o := &observer{tickets: tickets, known: make(map[string]approval.State)}
	for _, t := range tickets.Tickets() {
		o.known[t.Content.ID] = t.State
	}
	return o
}

// run tells what happens until the context ends.
func (o *observer) run(ctx context.Context, tell func(event string, ticket *approval.Ticket)) {
	for ctx.Err() == nil {
		changes, stop := o.tickets.Watch(maxChanges)
		o.compare(tell)
		o.follow(ctx, changes, tell)
		stop()
	}
}

// follow tells of changes until the context ends or there were too many.
func (o *observer) follow(ctx context.Context, changes <-chan approval.Change, tell func(string, *approval.Ticket)) {
	for {
		select {
		case <-ctx.Done():
			return
		case change, more := <-changes:
			if !more {
				return
			}
			if ticket, err := o.tickets.Ticket(change.ID); err == nil {
				o.look(ticket, tell)
			}
		}
	}
}

// compare looks at all tickets, and forgets those that are gone.
func (o *observer) compare(tell func(string, *approval.Ticket)) {
	all := o.tickets.Tickets()
	there := make(map[string]bool, len(all))
	for i := len(all) - 1; i >= 0; i-- { // the oldest first
		there[all[i].Content.ID] = true
		o.look(all[i], tell)
	}
	for id := range o.known {
		if !there[id] {
			delete(o.known, id)
		}
	}
}

// look tells what has become of a ticket since it was looked at.
func (o *observer) look(t *approval.Ticket, tell func(string, *approval.Ticket)) {
	before, known := o.known[t.Content.ID]
	if known && before == t.State {
		return
	}
	o.known[t.Content.ID] = t.State
	switch t.State {
	case approval.StateOpen:
		tell(EventOpened, t)
	case approval.StateRejected:
		tell(EventDecided, t)
	case approval.StateApproved, approval.StateUsed, approval.StateSigned:
		if before == approval.StateOpen || !known {
			tell(EventDecided, t)
		}
	case approval.StateExpired, approval.StateLapsed, approval.StateVoid:
		tell(EventExpired, t)
	}
}
