package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// relyOnAudit has the state in a file take what it lacks from the audit log, and rely
// on the log from here on: what a decision holds of limits becomes durable with its
// entry, in one flush. A state in a database relies on nothing.
func (d *durable) relyOnAudit(ctx context.Context, cfg *config.Config) error {
	file, ok := d.store.(*bolt.Store)
	if !ok || d.audit == nil {
		return nil
	}
	heads, err := file.LogHeads(ctx)
	if err != nil {
		return err
	}
	k, some := upToOf(file.Unsettled(), file.Forgotten(), heads)
	k.kept = cfg.Proxy.Retain
	switch {
	case some && !d.hasAll(k):
		err = d.recoverHolds(ctx, file, k)
	case file.Unsettled() != (store.LogHead{}):
		_, err = file.Recover(ctx, nil) // it has all, and is to know
	}
	if err != nil {
		return err
	}
	return file.Rely(ctx, d.auditPath, d.audit.Head)
}

// maxNotedPath is how many bytes of a path's end are noted: a note is bounded, and tells
// of more.
const maxNotedPath = 128

// forgotten adds to a note what was given up of an audit log, and returns what is to be
// done when the note is on record.
func (d *durable) forgotten(note string) (string, func(context.Context) error) {
	file, ok := d.store.(*bolt.Store)
	if !ok || file.Forgotten() == (store.LogHead{}) {
		return note, func(context.Context) error { return nil }
	}
	from := file.Forgotten()
	d.log.Warn("What an audit log had of limits was given up", "log", from.Log, "entry", from.Seq, "at", from.Time)
	path := from.Log
	if len(path) > maxNotedPath {
		path = "…" + strings.ToValidUTF8(path[len(path)-maxNotedPath:], "")
	}
	return fmt.Sprintf("given up was what was held since entry %d of %s, of %s; %s", from.Seq, path, from.Time.Format(time.RFC3339), note),
		func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
			defer cancel()
			return file.Told(ctx)
		}
}

// hasAll tells whether the open log is the one that a state was closed with, and nothing was
// written to it since.
func (d *durable) hasAll(k upTo) bool {
	seq, hash := d.audit.Head()
	return k.closed && k.from.Log == d.auditPath && k.from.Seq == seq && k.from.Hash == hash
}

// recoverHolds counts what was held when a signer ended without closing its state, and
// what was held since a copy of the state was made that is in its place now.
func (d *durable) recoverHolds(ctx context.Context, file *bolt.Store, k upTo) error {
	from := k.from
	l, err := lackedBy(ctx, k, d.auditPath, completing(d.auditPath))
	if err != nil {
		return err
	}
	used, err := outbox.UseLogged(ctx, file, l.keys) // before the state says that it has all
	if err != nil {
		return fmt.Errorf("what idempotency keys were used since entry %d of the audit log %s can't be taken into the state. If there is no room, have limits and keys since then forgotten with kvclef state forget --entry %[1]d, "+
			"and go on with steps 3 to 5 of docs/operations.md#backup: %[3]w", from.Seq, from.Log, err)
	}
	if used > 0 {
		d.log.WarnContext(ctx, "Idempotency keys that the state did not know are used, by the audit log: their retries are refused", "keys", used, "log", from.Log, "entry", from.Seq)
	}
	n, err := file.Recover(ctx, l.held)
	if errors.Is(err, bolt.ErrUncounted) {
		return fmt.Errorf("what was held of limits since entry %d of the audit log %s does not fit into the state: is it the state that was used with that log? "+
			"If it is, have that forgotten with kvclef state forget --entry %[1]d, and lower the limits by what the log shows until their windows have passed: %[3]w", from.Seq, from.Log, err)
	}
	if err != nil {
		return err
	}
	if n > 0 {
		d.log.InfoContext(ctx, "Limits recovered from the audit log", "holds", n, "log", from.Log, "entry", from.Seq)
	}
	if n > 0 && k.closed {
		d.log.WarnContext(ctx, "The state is older than the audit log: what was decided since, but for limits, it does not know", "log", from.Log, "entry", from.Seq)
	}
	for _, end := range l.ends {
		if known, _ := headOf(k.heads, end.Log); end.Seq > known.Seq {
			if err := file.KeepLogHead(ctx, end); err != nil {
				return err
			}
		}
	}
	return nil
}

// manyHeld is how many holds are read before those that no longer count are dropped.
const manyHeld = 1 << 15

// lack is what a state lacks that an audit log has.
type lack struct {
	held    []rules.Reservation
	keys    []outbox.Logged // idempotency keys for which something may have been signed
	befores []audit.Before  // that its starts name, of each log the last
	ends    []store.LogHead // up to where each log was read, without a time
}

// heldSince returns what the entries of an audit log after one hold of limits, but for
// what expired before the last of those, and which idempotency keys were used that are kept
// for so long.
func heldSince(ctx context.Context, from store.LogHead, kept time.Duration) (l lack, err error) {
	next, most := max(from.Seq, 1), manyHeld
	end := store.LogHead{Log: from.Log}
	var (
		latest time.Time
		keys   = newUsedKeys(kept, time.Now())
	)
	expired := func(r rules.Reservation) bool {
		return !slices.ContainsFunc(r.Charges, func(c rules.Reserved) bool { return c.Expires.After(latest) })
	}
	for record, err := range audit.Complete(ctx, from.Log, next) {
		if err != nil {
			return lack{}, err
		}
		if err := follows(record, from, next); err != nil {
			return lack{}, err
		}
		next = record.Entry.Seq + 1
		end.Seq, end.Hash = record.Entry.Seq, record.Hash
		if record.Entry.Seq == from.Seq {
			continue
		}
		if before := record.Entry.Before; before != nil {
			l.befores = append(slices.DeleteFunc(l.befores, func(b audit.Before) bool { return b.Log == before.Log }), *before)
		}
		keys.take(&record.Entry)
		if record.Entry.Hold == nil {
			continue
		}
		if at := record.Entry.Hold.Time; latest.Before(at) {
			latest = at // by which the state has dropped what expired
		}
		reservation, err := reservationOf(record.Entry.Hold)
		if err != nil {
			return lack{}, fmt.Errorf("entry %d of %s: %w", record.Entry.Seq, from.Log, err)
		}
		if l.held = append(l.held, reservation); len(l.held) > most {
			l.held = slices.DeleteFunc(l.held, expired)
			most = 2*len(l.held) + manyHeld
		}
	}
	if next <= from.Seq {
		return lack{}, fmt.Errorf("%s %w before entry %d", from.Log, errEnds, from.Seq)
	}
	l.held, l.keys, l.ends = slices.DeleteFunc(l.held, expired), keys.all(), []store.LogHead{end}
	return l, nil
}

// follows refuses an entry that does not continue what the state has seen.
func follows(record audit.Record, from store.LogHead, next uint64) error {
	seq := record.Entry.Seq
	moved := next == from.Seq && seq == next+1 // the segment that ends with that entry, away
	before := record.Hash
	if seq == from.Seq+1 {
		before = record.Entry.Prev
	}
	switch {
	case seq != next && !moved:
		return fmt.Errorf("entry %d of %s is missing: bring its segment back", next, from.Log)
	case seq <= from.Seq+1 && from.Seq > 0 && before != from.Hash:
		return fmt.Errorf("entry %d of %s had the hash %s, and has %s: %w", from.Seq, from.Log, from.Hash, before, errOther)
	}
	return nil
}

// reservationOf reads what an entry holds.
func reservationOf(hold *audit.Hold) (r rules.Reservation, err error) {
	r = rules.Reservation{ID: rules.HoldID(hold.ID), At: hold.Time, Charges: make([]rules.Reserved, len(hold.Charges))}
	for i, c := range hold.Charges {
		amount, err := uint256.FromDecimal(c.Amount)
		if err != nil {
			return r, fmt.Errorf("the amount %.100q of its hold: %w", c.Amount, err)
		}
		r.Charges[i] = rules.Reserved{Counter: c.Counter, Slot: c.Slot, Amount: *amount, Expires: c.Expires}
	}
	return r, nil
}
