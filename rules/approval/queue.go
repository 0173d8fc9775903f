package approval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// changeTimeout bounds the making durable of a change, whether or not whoever
// asked for it is still there.
const changeTimeout = 10 * time.Second

var _ rules.Approver = (*Queue)(nil)

// Queue keeps tickets. It is safe for concurrent use.
type Queue struct {
	cfg Config

	hurried chan struct{} // closed: nobody waits for people any more
	hurry   func()

	mu       sync.Mutex
	tickets  map[string]*entry
	newest   map[common.Hash]*entry // of equal requests
	open     map[string]int         // tickets that wait for people, by principal
	waiting  int                    // all of them
	bytes    int                    // of their texts
	watchers map[*watcher]struct{}
}

// entry is a ticket in the queue. What it says is of its lock, and who changes it
// has its turn besides.
type entry struct {
	content   Content
	key       common.Hash // of equal requests
	principal string
	size      int           // of its text, in bytes
	turn      chan struct{} // holds one token while nobody changes it

	mu      sync.Mutex
	record  record // its slices are never changed
	raw     []byte // as stored
	doubt   bool   // it is not known what is stored
	user    bool   // a request is about to use its approval, or does
	changed chan struct{}
}

func newEntry(r *record, content *Content, raw []byte) (*entry, error) {
	var subject struct {
		Principal string `json:"principal"`
	}
	if err := json.Unmarshal(content.Subject, &subject); err != nil {
		return nil, fmt.Errorf("ticket %s: %w", content.ID, err)
	}
	e := &entry{
		content: *content, record: *r, raw: raw, principal: subject.Principal, size: len(r.Text), turn: make(chan struct{}, 1), changed: make(chan struct{}),
		key: alike(content.Subject, rules.Decision{Rule: content.Rule, Policy: content.Policy}),
	}
	e.turn <- struct{}{}
	return e, nil
}

// New returns a queue with the tickets of the records.
func New(ctx context.Context, cfg Config) (*Queue, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	q := &Queue{
		cfg: cfg, tickets: make(map[string]*entry), newest: make(map[common.Hash]*entry), open: make(map[string]int),
		watchers: make(map[*watcher]struct{}), hurried: make(chan struct{}),
	}
	q.hurry = sync.OnceFunc(func() { close(q.hurried) })
	err := cfg.Records.EachRecord(ctx, recordPrefix, func(key string, value []byte) error {
		r, content, err := decodeRecord(key, value)
		if err != nil {
			return err
		}
		e, err := newEntry(r, content, value)
		if err != nil {
			return err
		}
		q.add(e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading tickets: %w", err)
	}
	return q, nil
}

// add adds a ticket. The queue's lock is the caller's, or nobody else knows it yet.
func (q *Queue) add(e *entry) {
	q.tickets[e.content.ID] = e
	if before := q.newest[e.key]; before == nil || before.content.Opened.Before(e.content.Opened) {
		q.newest[e.key] = e
	}
	if e.record.State.waits() {
		q.count(e, 1)
	}
}

// count counts a ticket that waits for people. The queue's lock is the caller's.
func (q *Queue) count(e *entry, n int) {
	q.waiting += n
	q.bytes += n * e.size
	if q.open[e.principal] += n; q.open[e.principal] == 0 {
		delete(q.open, e.principal)
	}
}

// remove takes a ticket out of the queue. The queue's lock is the caller's.
func (q *Queue) remove(e *entry) {
	delete(q.tickets, e.content.ID)
	if q.newest[e.key] == e {
		delete(q.newest, e.key)
	}
}

// find returns a ticket, nil if there is none.
func (q *Queue) find(id string) *entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tickets[id]
}

// enter waits for the turn to change a ticket, which ends with leave.
func (e *entry) enter(ctx context.Context) error {
	select {
	case <-e.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *entry) leave() { e.turn <- struct{}{} }

// now returns what a ticket is, and what is closed when that changes.
func (e *entry) now() (record, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.record, e.changed
}

// ticket returns a copy.
func (e *entry) ticket() *Ticket {
	r, _ := e.now()
	return r.ticket(&e.content)
}

// change makes a ticket another, durably. The turn is the caller's. Whoever waits
// for it is told.
func (q *Queue) change(ctx context.Context, e *entry, to record) error {
	if err := q.settleDoubt(ctx, e); err != nil {
		return err
	}
	raw, err := encodeRecord(&to)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	err = q.cfg.Records.ChangeRecords(ctx, rules.Change{Key: recordPrefix + e.content.ID, Old: e.raw, New: raw})
	if err == nil {
		q.became(e, to, raw)
		return nil
	}
	e.mu.Lock()
	e.doubt = true
	e.mu.Unlock()
	if unsettled := q.settleDoubt(ctx, e); unsettled != nil {
		return errors.Join(err, unsettled)
	}
	if bytes.Equal(e.raw, raw) {
		return nil // it is stored after all: the record may not say that it is not
	}
	return err
}

// settleDoubt reads what is stored of a ticket, if that is not known. The turn is
// the caller's.
func (q *Queue) settleDoubt(ctx context.Context, e *entry) error {
	e.mu.Lock()
	doubt := e.doubt
	e.mu.Unlock()
	if !doubt {
		return nil
	}
	raw, err := q.cfg.Records.Record(ctx, recordPrefix+e.content.ID)
	if err == nil && raw == nil {
		err = ErrUnknown
	}
	if err == nil {
		var r *record
		if r, _, err = decodeRecord(recordPrefix+e.content.ID, raw); err == nil {
			if r.Text != e.record.Text {
				err = errors.New("it shows something else than before")
			} else {
				q.became(e, *r, raw)
			}
		}
	}
	if err != nil {
		q.cfg.Logger.ErrorContext(ctx, "Ticket can't be read", "ticket", e.content.ID, "error", err)
		return errDoubt
	}
	return nil
}

// became takes over what is stored.
func (q *Queue) became(e *entry, to record, raw []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.mu.Lock()
	before := e.record.State
	e.record, e.raw, e.doubt = to, raw, false
	close(e.changed)
	e.changed = make(chan struct{})
	e.mu.Unlock()
	if before.waits() && !to.State.waits() {
		q.count(e, -1)
	}
	if to.State.seen() {
		q.tell(Change{ID: e.content.ID, Before: before, State: to.State, Votes: len(to.Votes)})
	}
}

// Hurry tells all who wait for people, now and later, to come back: the process is
// about to end.
func (q *Queue) Hurry() { q.hurry() }

// Ticket returns a ticket by its id. The error is [ErrUnknown].
func (q *Queue) Ticket(id string) (*Ticket, error) {
	if e := q.find(id); e != nil {
		if t := e.ticket(); t.State.seen() {
			return t, nil
		}
	}
	return nil, ErrUnknown
}

// Tickets returns the tickets, the newest first.
func (q *Queue) Tickets() []*Ticket {
	q.mu.Lock()
	entries := make([]*entry, 0, len(q.tickets))
	for _, e := range q.tickets {
		entries = append(entries, e)
	}
	q.mu.Unlock()
	tickets := make([]*Ticket, 0, len(entries))
	for _, e := range entries {
		if t := e.ticket(); t.State.seen() {
			tickets = append(tickets, t)
		}
	}
	slices.SortFunc(tickets, func(a, b *Ticket) int { return b.Content.Opened.Compare(a.Content.Opened) })
	return tickets
}
