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
func (q *Queue) Asked(ctx context.Context, req *rules.Request, decision rules.Decision) (rules.Question, error) {
	subject, err := subjectText(req)
	if err != nil {
		return nil, err
	}
	if err := q.takeOver(ctx); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	quorums := q.quorums(decision)
	e := q.newest(alike(subject, decision), decision.Charges, func(e *entry) bool { return e.asks(quorums, decision.OverLimit) })
	if e == nil {
		return nil, nil
	}
	return &question{q, e, req.Kind.Signs()}, nil
}

// counts reports whether a ticket counts what an equal request counts by now: budgets may
// hold at some times, or for some listeners, alone. It has nothing to do with whether another
// is newer: that one would hide what people have approved, or rejected, of this one.
func (e *entry) counts(charges []rules.Charge) bool {
	r := e.now()
	return rules.SameCharges(r.Charges, charges)
}

// answers reports whether a ticket is for equal requests that come now.
func (q *Queue) answers(e *entry) bool {
	r := e.now()
	switch r.State {
	case stateBegun, StateOpen, StateApproved:
		return !e.condemns()
	case StateSigned, stateNever, StateVoid, StateLapsed:
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
		other, err = q.reserve(e, referral)
	}
	switch {
	case err != nil:
		return nil, errors.Join(err, q.giveBack(ctx, limits))
	case other != nil: // an equal request was faster, and holds the same
		return &question{q, other, req.Kind.Signs()}, q.giveBack(ctx, limits)
	}
	switch err := q.opened(ctx, e); {
	case err == nil:
		return &question{q, e, req.Kind.Signs()}, nil
	case errors.Is(err, errDoubt): // what it holds is given back when it is known that it is not there
		return nil, err
	default:
		return nil, errors.Join(err, q.giveBack(ctx, limits))
	}
}

// draft makes a ticket that nobody knows yet.
func (q *Queue) draft(req *rules.Request, referral rules.Decision, limits rules.HoldID) (*entry, error) {
	quorums := q.quorums(referral)
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
	if most := len(raw) + len(content.people())*maxVote; most > rules.MaxRecordValue {
		return nil, fmt.Errorf("the ticket may have %d bytes with all votes, and may have %d", most, rules.MaxRecordValue)
	}
	if _, content, err = decodeRecord(recordPrefix+content.ID, raw); err != nil {
		return nil, err
	}
	r.State = stateBegun
	e, err := newEntry(r, content, raw)
	if err == nil {
		e.mine = true
	}
	return e, err
}

// reserve makes room for a ticket, unless there is one for an equal request.
func (q *Queue) reserve(e *entry, referral rules.Decision) (other *entry, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	other = q.newest(e.key, e.record.Charges, func(other *entry) bool {
		return alikePeople(e.content.Quorums, other.content.Quorums) && (!referral.Unnamed || within([]rules.Quorum{*q.cfg.Default}, other.content.Quorums))
	})
	if other != nil {
		return other, nil
	}
	load := q.open[e.principal]
	switch {
	case q.waiting >= q.cfg.MaxOpen:
		return nil, &BusyError{fmt.Sprintf("%d requests wait for people, which is the most that may", q.waiting)}
	case load.tickets >= q.cfg.MaxPerCaller:
		return nil, &BusyError{fmt.Sprintf("%d requests of %s wait for people, which is the most that may", load.tickets, e.principal)}
	case q.bytes+e.size > maxContents:
		return nil, &BusyError{fmt.Sprintf("%d requests with %d bytes wait for people, and they may have %d", q.waiting, q.bytes, maxContents)}
	case load.bytes+e.size > maxContents/4:
		return nil, &BusyError{fmt.Sprintf("%d requests of %s with %d bytes wait for people, and they may have %d", load.tickets, e.principal, load.bytes, maxContents/4)}
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
	ticket := e.as(&to)
	if err := q.cfg.Journal.Record(ctx, Event{What: WhatOpened, Ticket: ticket, Request: e.content.Request}); err != nil {
		q.forget(e)
		return fmt.Errorf("recording a ticket: %w", err)
	}
	if err := q.create(ctx, e); err != nil {
		if errors.Is(err, errDoubt) {
			return err
		}
		return errors.Join(fmt.Errorf("keeping a ticket: %w", err), q.failed(ctx, e, err))
	}
	q.became(e, to, e.raw)
	q.cfg.Logger.InfoContext(ctx, "Ticket opened", "ticket", e.content.ID, "request_id", e.content.Request, "rule", e.content.Rule, "reason", e.content.Reason)
	return nil
}

// create stores a ticket. Where that fails, the error is errDoubt as long as it is
// not known whether it was stored.
func (q *Queue) create(ctx context.Context, e *entry) error {
	err := q.cfg.Records.ChangeRecords(ctx, rules.Change{Key: recordPrefix + e.content.ID, New: e.raw})
	if err == nil {
		return nil
	}
	stored, unread := q.stored(ctx, e)
	switch {
	case unread != nil:
		e.doubts()
		return errors.Join(err, unread, errDoubt)
	case stored:
		return nil
	default:
		return err
	}
}

// stored reports whether a ticket that was to be stored is.
func (q *Queue) stored(ctx context.Context, e *entry) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	kept, err := q.cfg.Records.Record(ctx, recordPrefix+e.content.ID)
	return bytes.Equal(kept, e.raw), err
}

// settleBegun finds whether a ticket was stored of which that is not known: people are
// asked then, and else it is forgotten. The turn is the caller's.
func (q *Queue) settleBegun(ctx context.Context, e *entry) error {
	stored, err := q.stored(ctx, e)
	if err != nil {
		q.cfg.Logger.ErrorContext(ctx, "Ticket can't be read", "ticket", e.content.ID, "error", err)
		return errDoubt
	}
	r := e.now()
	if stored {
		r.State = StateOpen
		q.became(e, r, e.raw)
		return nil
	}
	return errors.Join(q.failed(ctx, e, errNotStored), q.giveBack(ctx, r.Holds...))
}

// failed records that a ticket was not opened after all, and forgets it.
func (q *Queue) failed(ctx context.Context, e *entry, why error) error {
	r := e.now()
	q.forget(e)
	return q.record(ctx, Event{What: WhatFailed, Ticket: e.as(&r), Request: e.content.Request, Error: why.Error()})
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
