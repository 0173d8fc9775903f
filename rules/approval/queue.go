package approval

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

var _ rules.Approver = (*Queue)(nil)

// Queue keeps tickets. It is safe for concurrent use.
type Queue struct {
	cfg Config

	hurried chan struct{} // closed: nobody waits for people any more
	hurry   func()

	mu       sync.Mutex
	tickets  map[string]*entry
	alike    map[common.Hash][]*entry // of equal requests, which may count against other limits
	open     map[string]load          // tickets that wait for people, by principal
	waiting  int                      // all of them
	bytes    int                      // of their texts
	watchers map[*watcher]struct{}

	owed      owed
	others    others
	uncounted uncounted
	epoch     epoch
}

// load is what waits for people.
type load struct {
	tickets, bytes int // of their texts
}

// entry is a ticket in the queue. What it says is of its lock, and who changes it
// has its turn besides.
type entry struct {
	content   Content
	key       common.Hash // of equal requests
	principal string
	text      []byte        // of the content
	hash      common.Hash   // of the text
	size      int           // of the text, in bytes
	turn      chan struct{} // holds one token while nobody changes it
	cast      *Ballot       // recorded, and in doubt whether it was kept; of who has the turn
	tries     int           // to give back what is held; of who has the turn
	mine      bool          // opened by this process

	mu      sync.Mutex
	record  record // its slices are never changed
	raw     []byte // as stored
	doubt   bool   // it is not known what is stored
	user    bool   // a request is about to use its approval, or does
	changed chan struct{}

	condemned bool   // it was void once
	unlet     *unlet // a use by which nothing is signed, and that may be stored; nil if there is none
}

func newEntry(r *record, content *Content, raw []byte) (*entry, error) {
	var subject struct {
		Principal string `json:"principal"`
	}
	if err := json.Unmarshal(content.Subject, &subject); err != nil {
		return nil, fmt.Errorf("ticket %s: %w", content.ID, err)
	}
	text := []byte(r.Text)
	e := &entry{
		content: *content, record: *r, raw: raw, principal: subject.Principal, text: text, hash: hashOf(text), size: len(text),
		turn: make(chan struct{}, 1), changed: make(chan struct{}),
		key: alike(content.Subject, rules.Decision{Rule: content.Rule, Policy: content.Policy, FileRefers: content.FileRefers}),
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
		cfg: cfg, tickets: make(map[string]*entry), alike: make(map[common.Hash][]*entry), open: make(map[string]load),
		watchers: make(map[*watcher]struct{}), hurried: make(chan struct{}),
	}
	q.hurry = sync.OnceFunc(func() { close(q.hurried) })
	if err := q.firstMark(ctx); err != nil {
		return nil, err
	}
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
	q.alike[e.key] = append(q.alike[e.key], e)
	if e.record.State.waits() {
		q.count(e, 1)
	}
}

// newest returns the newest ticket for equal requests that come now and count against the
// same limits, of those that fit; nil if there is none. The queue's lock is the caller's.
func (q *Queue) newest(key common.Hash, charges []rules.Charge, fits func(*entry) bool) (newest *entry) {
	for _, e := range q.alike[key] {
		if q.answers(e) && fits(e) && e.counts(charges) && (newest == nil || e.after(newest)) {
			newest = e
		}
	}
	return newest
}

// after reports whether equal requests find a ticket rather than another. Clocks
// step back: one that is under way goes before one that has ended.
func (e *entry) after(other *entry) bool {
	if ended := e.record.State.Ended(); ended != other.record.State.Ended() {
		return !ended
	}
	return e.content.Opened.After(other.content.Opened)
}

// count counts a ticket that waits for people. The queue's lock is the caller's.
func (q *Queue) count(e *entry, n int) {
	q.waiting += n
	q.bytes += n * e.size
	of := q.open[e.principal]
	of.tickets += n
	of.bytes += n * e.size
	if q.open[e.principal] = of; of.tickets == 0 {
		delete(q.open, e.principal)
	}
}

// remove takes a ticket out of the queue. The queue's lock is the caller's.
func (q *Queue) remove(e *entry) {
	delete(q.tickets, e.content.ID)
	q.alike[e.key] = slices.DeleteFunc(q.alike[e.key], func(other *entry) bool { return other == e })
	if len(q.alike[e.key]) == 0 {
		delete(q.alike, e.key)
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
	default: // a turn that is free is taken also when the time is over: it is for what must be done
	}
	select {
	case <-e.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *entry) leave() { e.turn <- struct{}{} }

// now returns what a ticket is.
func (e *entry) now() record {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.record
}

// look returns what a ticket is, whether a request uses its approval or did not come to
// sign by it, and what is closed when either changes.
func (e *entry) look() (record, bool, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.record, e.user || e.unlet != nil, e.changed
}

// ticket returns a copy.
func (e *entry) ticket() *Ticket {
	r := e.now()
	return e.as(&r)
}

// shown is a ticket as people see it here.
func (q *Queue) shown(e *entry) *Ticket {
	t := e.ticket()
	t.Void = !t.State.Ended() && q.void(e)
	return t
}

// as is what people see of the ticket when its record is this one.
func (e *entry) as(r *record) *Ticket {
	return &Ticket{Content: e.content, Text: e.text, Hash: e.hash, State: r.State, Votes: r.Votes, Decided: r.Decided, UseBy: r.UseBy}
}

// Hurry tells all who wait for people, now and later, to come back: the process is
// about to end.
func (q *Queue) Hurry() { q.hurry() }

// Ticket returns a ticket by its id. The error is [ErrUnknown].
func (q *Queue) Ticket(id string) (*Ticket, error) {
	if e := q.find(id); e != nil {
		if t := q.shown(e); t.State.seen() {
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
		if t := q.shown(e); t.State.seen() {
			tickets = append(tickets, t)
		}
	}
	slices.SortFunc(tickets, func(a, b *Ticket) int { return b.Content.Opened.Compare(a.Content.Opened) })
	return tickets
}
