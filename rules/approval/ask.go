package approval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// Asked returns what people are asked already, or have answered a short while ago,
// about an equal request; nil if nothing.
func (q *Queue) Asked(_ context.Context, req *rules.Request, decision rules.Decision) (rules.Question, error) {
	subject, err := subjectText(req)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.newest[alike(subject, decision)]; e != nil && q.answers(e) {
		return &question{queue: q, entry: e}, nil
	}
	return nil, nil
}

// answers reports whether a ticket is for equal requests that come now.
func (q *Queue) answers(e *entry) bool {
	r, _ := e.now()
	switch r.State {
	case stateBegun, StateOpen, StateApproved:
		return true
	case StateSigned, stateNever:
		return false
	default:
		return !q.cfg.Clock().After(r.Decided.Add(q.cfg.Remember))
	}
}

// Ask opens a ticket for a referral, which holds the limits from here on.
func (q *Queue) Ask(ctx context.Context, req *rules.Request, referral rules.Decision, limits rules.HoldID) (rules.Question, error) {
	e, err := q.draft(req, referral, limits)
	var other *entry
	if err == nil {
		other, err = q.reserve(e)
	}
	switch {
	case err != nil:
		return nil, errors.Join(err, q.giveBack(ctx, limits))
	case other != nil: // an equal request was faster, and holds the same
		return &question{queue: q, entry: other}, q.giveBack(ctx, limits)
	}
	if err := q.opened(ctx, e); err != nil {
		return nil, errors.Join(err, q.giveBack(ctx, limits))
	}
	return &question{queue: q, entry: e}, nil
}

// draft makes a ticket that nobody knows yet.
func (q *Queue) draft(req *rules.Request, referral rules.Decision, limits rules.HoldID) (*entry, error) {
	quorums := referral.Quorums
	if len(quorums) == 0 && q.cfg.Default != nil {
		quorums = []*rules.Quorum{q.cfg.Default}
	}
	if len(quorums) == 0 {
		return nil, errors.New("the rules refer the request to people, and the configuration names none (approvals.default)")
	}
	now := q.cfg.Clock().UTC().Truncate(time.Millisecond)
	content, err := contentOf(req, referral, quorums, now)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encoding what people are shown: %w", err)
	}
	if len(text) > maxContent {
		return nil, fmt.Errorf("the request has %d bytes to be shown to people, and may have %d", len(text), maxContent)
	}
	r := &record{Text: string(text), State: StateOpen}
	if limits != 0 {
		r.Holds, r.Held, r.Charges = []rules.HoldID{limits}, now, referral.Charges
	}
	raw, err := encodeRecord(r)
	if err != nil {
		return nil, err
	}
	if _, content, err = decodeRecord(recordPrefix+content.ID, raw); err != nil {
		return nil, err
	}
	r.State = stateBegun
	return newEntry(r, content, raw)
}

// reserve makes room for a ticket, unless there is one for an equal request.
func (q *Queue) reserve(e *entry) (other *entry, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if other := q.newest[e.key]; other != nil && q.answers(other) {
		return other, nil
	}
	switch {
	case q.waiting >= q.cfg.MaxOpen || q.bytes+e.size > maxContents:
		return nil, &BusyError{fmt.Sprintf("%d requests wait for people, which is the most that may", q.waiting)}
	case q.open[e.principal] >= q.cfg.MaxPerCaller:
		return nil, &BusyError{fmt.Sprintf("%d requests of %s wait for people, which is the most that may", q.open[e.principal], e.principal)}
	}
	q.add(e)
	return nil, nil
}

// opened makes a ticket durable, and shows it to people.
func (q *Queue) opened(ctx context.Context, e *entry) error {
	<-e.turn // it has just been made
	defer e.leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	to := e.record
	to.State = StateOpen
	ticket := to.ticket(&e.content)
	if err := q.cfg.Journal.Record(ctx, Event{What: WhatOpened, Ticket: ticket, Request: e.content.Request}); err != nil {
		q.forget(e)
		return fmt.Errorf("recording a ticket: %w", err)
	}
	if err := q.create(ctx, e); err != nil {
		q.forget(e)
		recorded := q.cfg.Journal.Record(ctx, Event{What: WhatFailed, Ticket: ticket, Request: e.content.Request, Error: err.Error()})
		return errors.Join(fmt.Errorf("keeping a ticket: %w", err), recorded)
	}
	q.became(e, to, e.raw)
	q.cfg.Logger.InfoContext(ctx, "Ticket opened", "ticket", e.content.ID, "request_id", e.content.Request, "rule", e.content.Rule, "reason", e.content.Reason)
	return nil
}

// create stores a ticket. Where it is not known whether it was stored it is looked
// for: one that nobody knows would be there after the next start.
func (q *Queue) create(ctx context.Context, e *entry) error {
	key := recordPrefix + e.content.ID
	err := q.cfg.Records.ChangeRecords(ctx, rules.Change{Key: key, New: e.raw})
	if err == nil {
		return nil
	}
	kept, unread := q.cfg.Records.Record(ctx, key)
	if unread == nil && bytes.Equal(kept, e.raw) {
		return nil
	}
	return errors.Join(err, unread)
}

// forget takes back a ticket that was not opened.
func (q *Queue) forget(e *entry) {
	to := e.record
	to.State = stateNever
	q.became(e, to, nil)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(e)
}

// giveBack releases what is held. What can't be given back goes on counting until
// its window has passed.
func (q *Queue) giveBack(ctx context.Context, holds ...rules.HoldID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	var failures []error
	for _, id := range holds {
		if id == 0 {
			continue
		}
		if err := q.cfg.Ledger.Release(ctx, id); err != nil {
			failures = append(failures, fmt.Errorf("giving limits back: %w", err))
		}
	}
	return errors.Join(failures...)
}
