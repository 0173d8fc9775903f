package approval

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// changeTimeout bounds the making durable of a change, whether or not whoever
// asked for it is still there.
const changeTimeout = 10 * time.Second

// change makes a ticket another, durably. The turn is the caller's, and nothing is
// in doubt. Whoever waits for it is told.
func (q *Queue) change(ctx context.Context, e *entry, to record) error {
	_, err := q.store(ctx, e, to)
	return err
}

// store is change, and returns what it stored, or was to store.
func (q *Queue) store(ctx context.Context, e *entry, to record) (raw []byte, err error) {
	if e.doubtful() {
		return nil, errDoubt
	}
	if q.cfg.Shared != nil {
		to.Change = rand.Text()
	}
	if raw, err = encodeRecord(&to); err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	err = q.cfg.Records.ChangeRecords(within, rules.Change{Key: recordPrefix + e.content.ID, Old: e.raw, New: raw})
	if err == nil {
		q.became(e, to, raw)
		return raw, nil
	}
	e.doubts()
	unread := q.learn(ctx, e)
	if unread == nil && bytes.Equal(e.raw, raw) {
		return raw, nil // it was stored all the same
	}
	return raw, errors.Join(err, unread)
}

// doubtful reports whether it is not known what is stored of a ticket.
func (e *entry) doubtful() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.doubt
}

// doubts notes that it is not known what is stored.
func (e *entry) doubts() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubt = true
	close(e.changed)
	e.changed = make(chan struct{})
}

// settleDoubt reads what is stored of a ticket, if that is not known, and does what
// was left to do until it would be. Where others change tickets too, it always reads
// it. The turn is the caller's.
func (q *Queue) settleDoubt(ctx context.Context, e *entry) error {
	if !e.doubtful() {
		if err := q.refresh(ctx, e); err != nil {
			return err
		}
		return q.takeBackUse(ctx, e)
	}
	before := e.now()
	if before.State == stateBegun {
		return q.settleBegun(ctx, e)
	}
	if err := q.learn(ctx, e); err != nil {
		return err
	}
	r := e.now()
	if cast := e.cast; cast != nil {
		e.cast = nil
		if !r.has(cast.Person) {
			_ = q.takeBack(ctx, e.as(&before), cast, errNotKept) // it logs, and nothing else can be done
		}
	}
	if what := became(before.State, r.State); what != "" {
		q.decided(ctx, e, what)
	}
	return q.takeBackUse(ctx, e)
}

// became is the event that a ticket of one state has come to another, "" if none.
func became(before, after State) What {
	switch {
	case before == StateOpen && after == StateApproved:
		return WhatApproved
	case before == StateOpen && after == StateRejected:
		return WhatRejected
	case before == StateOpen && after == StateExpired:
		return WhatExpired
	case before == StateApproved && after == StateLapsed:
		return WhatLapsed
	case (!before.Ended() || before == StateUsed) && after == StateVoid: // used, and then not
		return WhatVoid
	default:
		return ""
	}
}

// learn reads what is stored of a ticket. The turn is the caller's.
func (q *Queue) learn(ctx context.Context, e *entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
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
