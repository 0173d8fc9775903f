package approval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
)

// Ballot is a vote that is cast. Whoever casts it has proved who the person is.
type Ballot struct {
	Ticket  string      // id
	Hash    common.Hash // of what the person was shown
	Person  string
	Approve bool            // else it rejects
	Comment string          // at most 1,000 bytes
	Way     string          // how the person was known
	Proof   json.RawMessage // of a vote that was signed; at most 8 KiB

	// Stand is asked when the vote is about to count, whether what proves it still does:
	// time has passed since it was cast. It does until release is called. Nil is never asked.
	Stand func(ctx context.Context) (release func(), err error)
}

// Vote counts a vote, and returns the ticket with it. It is in the journal before
// it counts, and so is a vote that does not count, with the reason and without the
// comment; of many at once, how many they were.
func (q *Queue) Vote(ctx context.Context, ballot Ballot) (*Ticket, error) {
	if err := ballot.check(); err != nil {
		return nil, err
	}
	e := q.find(ballot.Ticket)
	if e == nil {
		return nil, q.refuse(ctx, nil, &ballot, ErrUnknown)
	}
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	if err := q.settleDoubt(ctx, e); err != nil {
		return nil, err
	}
	r := e.now()
	if !r.State.seen() {
		return nil, q.refuse(ctx, nil, &ballot, ErrUnknown)
	}
	ticket := e.as(&r)
	partly, err := q.may(e, ticket, &ballot)
	if err != nil {
		return nil, q.refuse(ctx, ticket, &ballot, err)
	}
	if ballot.Stand != nil {
		release, err := ballot.Stand(ctx)
		if err != nil {
			return nil, q.refuse(ctx, ticket, &ballot, err)
		}
		defer release()
	}
	if err := q.record(ctx, Event{What: WhatVote, Ticket: ticket, Ballot: &ballot}); err != nil {
		return nil, err
	}
	now := q.cfg.Clock().UTC()
	r.Votes = append(slices.Clone(r.Votes), Vote{
		Person: ballot.Person, Approve: ballot.Approve, Comment: ballot.Comment, Time: now, Way: ballot.Way, Proof: ballot.Proof, Requester: partly,
	})
	what := What("")
	switch {
	case !ballot.Approve:
		r.State, r.Decided, what = StateRejected, now, WhatRejected
	case e.as(&r).enough():
		r.State, r.Decided, r.UseBy, what = StateApproved, now, now.Add(q.cfg.Remember), WhatApproved
	}
	if err := q.change(ctx, e, r); err != nil {
		err = fmt.Errorf("keeping the vote: %w", err)
		if e.doubtful() { // whether it counts is recorded when it is known
			e.cast = &ballot
			return nil, err
		}
		return nil, q.takeBack(ctx, ticket, &ballot, err)
	}
	if what != "" {
		q.decided(ctx, e, what)
	}
	return e.ticket(), nil
}

// check refuses what no ballot has.
func (b *Ballot) check() error {
	switch {
	case b.Person == "" || b.Way == "":
		return errors.New("the vote is of nobody")
	case len(b.Ticket) > maxName || len(b.Person) > maxName || len(b.Way) > maxName:
		return fmt.Errorf("the vote names a ticket, a person or a way of more than %d bytes", maxName)
	case len(b.Comment) > maxComment:
		return fmt.Errorf("the comment has %d bytes, and may have %d", len(b.Comment), maxComment)
	case !utf8.ValidString(b.Comment) || slices.ContainsFunc([]rune(b.Comment), unprintable):
		return errors.New("the comment has characters that can't be shown")
	case len(b.Proof) > maxProof:
		return fmt.Errorf("the proof has %d bytes, and may have %d", len(b.Proof), maxProof)
	case len(b.Proof) > 0 && !json.Valid(b.Proof):
		return errors.New("the proof is not JSON")
	}
	return nil
}

// unprintable reports whether a character has no place in a comment: it may be one
// that changes the direction of the text.
func unprintable(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// may tells why a person may not vote on a ticket, nil if it may. Partly is that it counts
// for the quorums alone that do not exclude who asks. A void one may be rejected, which
// gives back what it holds.
func (q *Queue) may(e *entry, t *Ticket, ballot *Ballot) (partly bool, err error) {
	switch {
	case t.State != StateOpen:
		return false, &DecidedError{t.State, t.Decided}
	case !q.cfg.Clock().Before(t.Content.Deadline):
		return false, &DecidedError{StateExpired, t.Content.Deadline}
	case ballot.Hash != t.Hash:
		return false, ErrStale
	case ballot.Approve && q.void(e):
		return false, ErrVoid
	case slices.ContainsFunc(t.Votes, func(v Vote) bool { return v.Person == ballot.Person }):
		return false, ErrVoted
	}
	requester := q.cfg.SamePerson(e.principal, t.Content.Transport, ballot.Person)
	asked, excluded := false, false
	for i := range t.Content.Quorums {
		switch quorum := &t.Content.Quorums[i]; {
		case !quorum.Has(ballot.Person):
		case requester && !quorum.Requester:
			excluded = true
		default:
			asked = true
		}
	}
	switch {
	case asked:
		return excluded, nil
	case excluded:
		return false, ErrRequester
	default:
		return false, ErrNotAsked
	}
}

// Refuse records a vote that was not cast after all, since it would not count, and
// returns why.
func (q *Queue) Refuse(ctx context.Context, ballot Ballot, why error) error {
	t, err := q.Ticket(ballot.Ticket)
	if err != nil {
		t = nil
	}
	return q.refuse(ctx, t, &ballot, why)
}

// record adds to the journal, whether or not who is the cause is still there.
func (q *Queue) record(ctx context.Context, event Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	if err := q.cfg.Journal.Record(ctx, event); err != nil {
		q.cfg.Logger.ErrorContext(ctx, "Journal not written: nothing is approved", "what", string(event.What), "error", err)
		return fmt.Errorf("recording it: %w", err)
	}
	return nil
}

// decided records that a ticket is decided, and gives back what is held unless it
// is approved. The turn is the caller's.
func (q *Queue) decided(ctx context.Context, e *entry, what What) {
	t := e.ticket()
	q.cfg.Logger.InfoContext(ctx, "Ticket decided", "ticket", e.content.ID, "state", string(t.State))
	_ = q.record(ctx, Event{What: what, Ticket: t}) // it logs; the votes are recorded
	if t.State == StateApproved {
		return
	}
	q.clear(ctx, e)
}
