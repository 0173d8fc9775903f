package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// upTo is up to where a state has what audit logs hold of limits.
type upTo struct {
	from   store.LogHead // in the log that was used last
	closed bool          // in good order: it may have all there is, without that log
	heads  []store.LogHead
	kept   time.Duration // how long idempotency keys are; 0: for ever
}

// upToOf returns up to where a state has what its logs hold. There is nothing to look for
// if it never had a log, or what it may lack was given up. A log that the state relied on
// and that is not the one used last is of a start that was killed before it was on record:
// the state had all then, and nothing was decided.
func upToOf(unsettled, forgotten store.LogHead, heads []store.LogHead) (k upTo, some bool) {
	last := lastUsed(heads)
	switch {
	case unsettled != (store.LogHead{}) && (last.Log == unsettled.Log || last.Log == ""):
		return upTo{from: unsettled, heads: heads}, true
	case forgotten != (store.LogHead{}) || len(heads) == 0:
		return upTo{}, false
	default:
		return upTo{from: heads[len(heads)-1], closed: true, heads: heads}, true
	}
}

// of returns up to where the state has what a log holds; from its beginning, if it does not
// know the log.
func (k upTo) of(path string) store.LogHead {
	if path == k.from.Log {
		return k.from
	}
	head, _ := headOf(k.heads, path)
	return store.LogHead{Log: path, Seq: head.Seq, Hash: head.Hash}
}

// lackedBy returns what a state lacks, from the audit log that it was used with last; or
// from the one at path, if that is the same and was moved there. If it is another one, what
// the state does not know of that is held as well, and of those that were written between
// the two, as starts name them: a copy of the state may be of a time before they were begun.
func lackedBy(ctx context.Context, k upTo, path string, mend mender) (lack, error) {
	w := walk{upTo: k, path: path, mend: mend, read: make(map[string]store.LogHead)}
	err := w.begin(ctx)
	for err == nil && len(w.befores) > 0 {
		before := w.befores[0]
		w.befores = w.befores[1:]
		err = w.follow(ctx, before)
	}
	if err != nil {
		return lack{}, lacked(k, err)
	}
	return lack{held: w.held, keys: w.keys, ends: slices.Collect(maps.Values(w.read))}, nil
}

// mender sees to it that a log has all that was written to it, before it is read.
type mender func(ctx context.Context, log string) error

// completing completes other logs than the one at path, which is open, and so complete.
// Somebody who writes one has all of it in its file; and of one that can't be written, such
// as on a disk that can only be read, the journal is read with it.
func completing(path string) mender {
	return func(ctx context.Context, log string) error {
		if log == path {
			return nil
		}
		err := audit.Mend(ctx, log, audit.Options{})
		if damage := (*audit.DamageError)(nil); errors.As(err, &damage) {
			return err
		}
		return nil
	}
}

// errCrashed is of a log that the next start completes.
var errCrashed = errors.New("a crash left the log's end in its journal")

// looking changes nothing.
func looking(_ context.Context, log string) error {
	if audit.Crashed(log) {
		return errCrashed
	}
	return nil
}

// walk goes through audit logs.
type walk struct {
	upTo

	path    string // of the log that is written now, or next
	mend    mender
	read    map[string]store.LogHead // up to where, by path
	held    []rules.Reservation
	keys    []outbox.Logged // idempotency keys that were used
	befores []audit.Before  // that are still to be followed
}

// take reads what a log has after an entry.
func (w *walk) take(ctx context.Context, from store.LogHead) error {
	if err := w.mend(ctx, from.Log); err != nil {
		return err
	}
	l, err := heldSince(ctx, from, w.kept)
	if err != nil {
		return err
	}
	w.read[from.Log] = l.ends[0]
	w.held, w.keys, w.befores = append(w.held, l.held...), append(w.keys, l.keys...), append(w.befores, l.befores...)
	return nil
}

// begin reads the log that the state was used with last, and the one that is open.
func (w *walk) begin(ctx context.Context) error {
	err := w.take(ctx, w.from)
	if w.path == w.from.Log {
		return err
	}
	without := err == nil || w.closed && ended(ctx, w.from, err)
	if err != nil && w.from.Seq > 0 {
		moved := w.from
		moved.Log = w.path
		movedErr := w.take(ctx, moved)
		if movedErr == nil {
			return nil
		}
		err = fmt.Errorf("%w; %w", err, movedErr)
	}
	if !without {
		return err
	}
	if err := w.take(ctx, w.of(w.path)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // it is about to be begun
}

// Errors of a log that is not the one that a state was used with, or an older copy of it.
var (
	errEnds  = errors.New("ends")
	errOther = errors.New("it is another log")
)

// ended tells from the error about a log whether it ended with an entry, as far as can be
// seen: a state that was closed with that has all of it, and may go on without. What can't
// be read now may have more.
func ended(ctx context.Context, at store.LogHead, err error) bool {
	var damage *audit.DamageError
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errEnds), errors.Is(err, errOther):
		return true
	case !errors.As(err, &damage), damage.Seq > at.Seq, damage.Seq == 0 && damage.Line != 1, audit.Crashed(at.Log):
		return false
	}
	more, err := audit.GoesOn(ctx, at.Log, at.Seq)
	return err == nil && !more
}

// follow reads a log that was written before another, unless the state has all of it up to
// there. It may be that other one, which was moved.
func (w *walk) follow(ctx context.Context, before audit.Before) error {
	if before.Seq <= w.of(before.Log).Seq || before.Seq <= w.read[before.Log].Seq {
		return nil
	}
	err := w.mend(ctx, before.Log)
	if err == nil {
		err = has(ctx, before)
	}
	if err == nil {
		err = w.take(ctx, w.of(before.Log))
	}
	if err == nil {
		return nil
	}
	for path := range w.read {
		moved := before
		moved.Log = path
		if has(ctx, moved) == nil {
			return nil
		}
	}
	return fmt.Errorf("it was followed by %s up to entry %d, which it needs as well: %w", before.Log, before.Seq, err)
}

// has tells whether a log has an entry.
func has(ctx context.Context, entry audit.Before) error {
	for record, err := range audit.Complete(ctx, entry.Log, entry.Seq) {
		if err != nil {
			return err
		}
		if record.Entry.Seq != entry.Seq || record.Hash != entry.Hash {
			return fmt.Errorf("entry %d of %s has the hash %s, and is to have %s: %w", record.Entry.Seq, entry.Log, record.Hash, entry.Hash, errOther)
		}
		return nil
	}
	return fmt.Errorf("%s ends before entry %d", entry.Log, entry.Seq)
}

// lacked says what is missing, and what to do.
func lacked(k upTo, err error) error {
	what := "the state was not closed"
	if k.closed {
		what = "the state is a copy that is older than the audit log"
	}
	return fmt.Errorf("%s, and what was held of limits since entry %d of the audit log %s is in that log alone, or in those after it: "+
		"bring back what is missing; or, if it is lost, have that forgotten with kvclef state forget --entry %[2]d: %[4]w", what, k.from.Seq, k.from.Log, err)
}
