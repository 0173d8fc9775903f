package approval

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// sharedInterval is how often it is read what other processes did with tickets.
const sharedInterval = 250 * time.Millisecond

// others is what a queue remembers of the tickets that other processes change, too.
type others struct {
	mu   sync.Mutex // of who reads
	mark rules.Mark // up to which what others did is taken over
	left []string   // changed by others, and not taken over: somebody had their turn
}

// takeOver reads the tickets that were changed since the last time.
func (q *Queue) takeOver(ctx context.Context) error {
	if q.cfg.Shared == nil {
		return nil
	}
	q.others.mu.Lock()
	defer q.others.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	changed := make(map[string][]byte)
	mark, err := q.cfg.Shared.RecordsSince(ctx, recordPrefix, q.others.mark, func(key string, value []byte) error {
		changed[strings.TrimPrefix(key, recordPrefix)] = value
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what others did with tickets: %w", err)
	}
	known := q.others.left
	q.others.left = nil
	for id, value := range changed {
		switch {
		case q.find(id) != nil:
			known = append(known, id)
		case value != nil:
			if err := q.opensElsewhere(id, value); err != nil {
				return err
			}
		}
	}
	q.others.mark = mark
	for _, id := range known {
		q.changesElsewhere(ctx, id)
	}
	return nil
}

// opensElsewhere adds a ticket that another process has opened.
func (q *Queue) opensElsewhere(id string, value []byte) error {
	r, content, err := decodeRecord(recordPrefix+id, value)
	if err != nil {
		return err
	}
	e, err := newEntry(r, content, value)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(e)
	q.tell(Change{ID: id, State: r.State, Votes: len(r.Votes)})
	return nil
}

// changesElsewhere takes over what another process did with a ticket. Whoever has its
// turn has read it a moment ago, and it is looked at again.
func (q *Queue) changesElsewhere(ctx context.Context, id string) {
	e := q.find(id)
	if e == nil {
		return
	}
	select {
	case <-e.turn:
		defer e.leave()
	default:
		q.others.left = append(q.others.left, id)
		return
	}
	if e.doubtful() {
		_ = q.settleDoubt(ctx, e) // it logs, and the next sweep tries again
		return
	}
	if err := q.refresh(ctx, e); err != nil && !errors.Is(err, ErrUnknown) {
		q.others.left = append(q.others.left, id)
	}
}

// refresh reads what another process may have made of a ticket, of which nothing is in
// doubt here. The error is [ErrUnknown] if it is gone. The turn is the caller's.
func (q *Queue) refresh(ctx context.Context, e *entry) error {
	if q.cfg.Shared == nil || e.now().State == stateNever {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	raw, err := q.cfg.Records.Record(ctx, recordPrefix+e.content.ID)
	switch {
	case err != nil:
		return fmt.Errorf("reading ticket %s: %w", e.content.ID, err)
	case bytes.Equal(raw, e.raw):
		return nil
	case raw == nil:
		q.mu.Lock()
		defer q.mu.Unlock()
		q.remove(e)
		return ErrUnknown
	}
	r, _, err := decodeRecord(recordPrefix+e.content.ID, raw)
	switch {
	case err != nil:
		return err
	case r.Text != e.record.Text:
		return fmt.Errorf("ticket %s shows something else than before", e.content.ID)
	}
	q.became(e, *r, raw)
	return nil
}

// firstMark finds from where on others' changes are to be read. Everything before is
// read after it.
func (q *Queue) firstMark(ctx context.Context) (err error) {
	if q.cfg.Shared == nil {
		return nil
	}
	q.others.mark, err = q.cfg.Shared.RecordsSince(ctx, recordPrefix, 0, func(string, []byte) error { return nil })
	if err != nil {
		return fmt.Errorf("finding what others are asked: %w", err)
	}
	return nil
}
