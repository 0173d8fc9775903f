package outbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// Bounds of the drafts that wait for people. Each process counts before it adds one, so
// that several may be beyond them by one each.
const (
	maxParked      = 1024
	maxParkedOfOne = maxParked / 4  // of one principal, more than have open tickets
	parkedFor      = 24 * time.Hour // since it was asked for last
	parkedAnew     = time.Hour      // how old the record of that may be
)

// draftOf fills in what a request leaves out: as people are asked about already, if it was
// made before, and else anew.
func (o *Outbox) draftOf(ctx context.Context, given *extapi.PartialTransaction) (*draft, error) {
	request, err := requestHash(given)
	if err != nil {
		return nil, err
	}
	of := asked{extapi.PrincipalOf(ctx), request}
	r, value, err := o.parked(ctx, of)
	if err != nil {
		return nil, recordsError{err}
	}
	var as filling
	if r != nil {
		switch good, err := o.stillGood(ctx, r, given); {
		case err != nil:
			return nil, err
		case good:
			as = r.Filled
		}
	}
	d, err := o.fill(ctx, given, &as)
	if err == nil {
		d.asked, d.parked = of, value
	}
	return d, err
}

// parked reads the draft of a request, nil if there is none.
func (o *Outbox) parked(ctx context.Context, of asked) (*parkedRecord, []byte, error) {
	key := of.key(o.cfg.Scope)
	value, err := o.cfg.Records.Record(ctx, key)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a draft: %w", err)
	}
	if value == nil {
		return nil, nil, nil
	}
	r, err := decodeParked(key, value)
	return r, value, err
}

// stillGood reports whether a request is to be filled in as a draft was: on the same
// chain, while the draft's nonce is the one that it would get, and within the bound of
// fees, which may be lower by now.
func (o *Outbox) stillGood(ctx context.Context, r *parkedRecord, given *extapi.PartialTransaction) (bool, error) {
	if r.olderThan(parkedFor, o.cfg.Clock()) {
		return false, nil
	}
	chain, err := o.guard.chain(ctx)
	if err != nil || chain.Cmp(r.Chain) != 0 {
		return false, err
	}
	d := &draft{tx: *given, chain: chain}
	d.fillIn(&r.Filled)
	args := d.tx.Complete()
	if affordable := o.checkFee(&args) == nil; !affordable || given.HasNonce {
		return affordable, nil
	}
	next, err := o.peek(ctx, laneID{chain.String(), d.from()})
	return next == r.Nonce, err
}

// judged keeps a draft that people are asked about, and forgets one that is signed.
func (o *Outbox) judged(ctx context.Context, d *draft, nonce uint64, err error) {
	var ticket interface{ Ticket() string }
	switch {
	case err == nil:
		o.unpark(ctx, d)
	case errors.As(err, &ticket) && ticket.Ticket() != "" && d.asked != asked{}:
		o.park(ctx, d, nonce)
	}
}

// park keeps a draft, if there is room for it. Without it the caller is told of its ticket
// all the same: people are asked anew then, if it comes back.
func (o *Outbox) park(ctx context.Context, d *draft, nonce uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	o.parking.Lock() // one counts and adds at a time
	defer o.parking.Unlock()
	err := rules.ErrConflict
	for try := 0; try < maxTries && errors.Is(err, rules.ErrConflict); try++ { // another process keeps one, too
		err = o.tryPark(ctx, d, nonce)
	}
	if err != nil {
		o.log.WarnContext(ctx, "Draft not kept: people are asked again if its caller asks again", "account", d.from(), "nonce", nonce, "error", err)
	}
}

func (o *Outbox) tryPark(ctx context.Context, d *draft, nonce uint64) error {
	before, value, err := o.parked(ctx, d.asked)
	if err != nil {
		return err
	}
	now := o.cfg.Clock()
	r := &parkedRecord{Version: recordVersion, Principal: d.asked.principal, Request: d.asked.request, Asked: now.UTC(), Chain: d.chain, Nonce: nonce}
	if r.Filled, err = d.filling(); err != nil {
		return err
	}
	var changes []rules.Change
	switch {
	case before == nil:
		if changes, err = o.parkingSpace(ctx, d.asked.principal, now); err != nil {
			return err
		}
	case before.says(r) && !before.olderThan(parkedAnew, now):
		d.parked = value
		return nil
	}
	if o.cfg.Shared != nil {
		r.Change = rand.Text()
	}
	text, err := r.encode()
	if err != nil {
		return err
	}
	if err := o.changeRecords(ctx, append(changes, rules.Change{Key: d.asked.key(o.cfg.Scope), Old: value, New: text})...); err != nil {
		return err
	}
	d.parked = text
	return nil
}

// parkingSpace returns the changes that make room for a draft of a principal: old ones go,
// and the oldest of its own where it has its share.
func (o *Outbox) parkingSpace(ctx context.Context, principal string, now time.Time) ([]rules.Change, error) {
	var old, own []past
	total := 0
	err := o.eachParked(ctx, func(key string, value []byte, r *parkedRecord, unread error) error {
		total++
		switch of := (past{key, value, r.Asked}); {
		case r.olderThan(parkedFor, now):
			old = append(old, of)
		case unread == nil && r.Principal == principal:
			own = append(own, of)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(own, func(a, b past) int { return a.time.Compare(b.time) })
	old = append(own[:max(0, len(own)+1-maxParkedOfOne)], old...)
	old = old[:min(len(old), removedAtOnce)]
	if total-len(old) >= maxParked {
		return nil, fmt.Errorf("%d drafts wait for people, and there may be %d", total, maxParked)
	}
	changes := make([]rules.Change, len(old))
	for i, of := range old {
		changes[i] = rules.Change{Key: of.key, Old: of.value}
	}
	return changes, nil
}

// unpark forgets a draft. One that stays is of no use to anybody: its nonce is gone.
func (o *Outbox) unpark(ctx context.Context, d *draft) {
	if d.parked == nil {
		return
	}
	err := o.changeRecords(ctx, rules.Change{Key: d.asked.key(o.cfg.Scope), Old: d.parked})
	if err != nil && !errors.Is(err, rules.ErrConflict) { // else another has kept one since
		o.log.WarnContext(ctx, "Draft not removed", "account", d.from(), "error", err)
	}
	d.parked = nil
}

// eachParked calls a function for the drafts of the scope.
func (o *Outbox) eachParked(ctx context.Context, do func(key string, value []byte, r *parkedRecord, unread error) error) error {
	return eachDraft(ctx, o.cfg.Records, prefixDrafts+o.cfg.Scope+"/", do)
}

// eachDraft calls a function for the drafts whose keys have a prefix. One that can't be
// read, such as another version's, is there with why, and when it was asked for: it takes
// its room and its time, and is in nobody else's way.
func eachDraft(ctx context.Context, records Reader, prefix string, do func(key string, value []byte, r *parkedRecord, unread error) error) error {
	return records.EachRecord(ctx, prefix, func(key string, value []byte) error {
		r, err := decodeParked(key, value)
		if err != nil {
			r = unreadable(value)
		}
		return do(key, value, r, err)
	})
}

// loadParked tells of drafts that can't be read, whose requests are refused as long as they
// are there.
func (o *Outbox) loadParked(ctx context.Context) error {
	var first error
	drafts := 0
	err := o.eachParked(ctx, func(_ string, _ []byte, _ *parkedRecord, unread error) error {
		if unread != nil {
			first = cmp.Or(first, unread)
			drafts++
		}
		return nil
	})
	if drafts > 0 {
		o.log.WarnContext(ctx, "Drafts can't be read: each refuses its request until it goes, a day after it was asked for", "drafts", drafts, "error", first)
	}
	return err
}

// pastParked finds drafts that were asked for before a time.
func (o *Outbox) pastParked(ctx context.Context, before time.Time) (old heap, err error) {
	err = o.eachParked(ctx, func(key string, value []byte, r *parkedRecord, _ error) error {
		if !r.Asked.Before(before) {
			return nil
		}
		return old.add(key, value, r.Asked)
	})
	return old, enough(err)
}
