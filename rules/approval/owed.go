package approval

import (
	"context"
	"sync"

	"github.com/kvclef/kvclef/rules"
)

// maxOwedTries is how often what is owed is given back, once a sweep, before that is left to
// time: an hour, or more where a ledger takes its time to fail.
const maxOwedTries = 3600

// owed are holds for uses of approvals that could not be recorded. No record has them, and
// they lend their room to the same requests as long as their windows, without people.
type owed struct {
	mu    sync.Mutex
	holds []debt
}

// debt is one of them.
type debt struct {
	id     rules.HoldID
	ticket string
	tries  int
}

// giveBackLater releases what was held for a use that could not be recorded. What can't be
// given back now is tried again by the sweep.
func (q *Queue) giveBackLater(ctx context.Context, e *entry, id rules.HoldID) error {
	left, err := q.released(ctx, []rules.HoldID{id})
	q.owed.mu.Lock()
	defer q.owed.mu.Unlock()
	for _, id := range left {
		q.owed.holds = append(q.owed.holds, debt{id: id, ticket: e.content.ID})
	}
	return err
}

// payOff gives back what is owed, and stops where that fails. The next sweep begins with
// another one.
func (q *Queue) payOff(ctx context.Context) {
	q.owed.mu.Lock()
	defer q.owed.mu.Unlock()
	for len(q.owed.holds) > 0 {
		first := q.owed.holds[0]
		q.owed.holds = q.owed.holds[1:]
		err := q.giveBack(ctx, first.id)
		if err == nil {
			continue
		}
		if first.tries++; first.tries < maxOwedTries {
			q.owed.holds = append(q.owed.holds, first)
		} else {
			q.cfg.Logger.WarnContext(ctx, "Limits go on counting until their windows have passed", "ticket", first.ticket, "error", err)
		}
		return
	}
}
