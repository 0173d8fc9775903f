package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kvclef/kvclef/rules"
)

// scopedRecords are the records below a prefix, as if there were no others.
type scopedRecords struct {
	records rules.Records
	prefix  string
}

// Record returns the value of a key.
func (s scopedRecords) Record(ctx context.Context, key string) ([]byte, error) {
	return s.records.Record(ctx, s.prefix+key)
}

// EachRecord calls a function for the records whose keys have a prefix.
func (s scopedRecords) EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error {
	return s.records.EachRecord(ctx, s.prefix+prefix, func(key string, value []byte) error {
		return do(strings.TrimPrefix(key, s.prefix), value)
	})
}

// ChangeRecords makes all changes, or none.
func (s scopedRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	scoped, err := s.scoped(changes)
	if err != nil {
		return err
	}
	return s.records.ChangeRecords(ctx, scoped...)
}

// scoped returns changes with the keys that they have among all records.
func (s scopedRecords) scoped(changes []rules.Change) ([]rules.Change, error) {
	scoped := slices.Clone(changes)
	for i := range scoped {
		if scoped[i].Key == "" {
			return nil, rules.CheckChanges(changes) // which refuses it
		}
		scoped[i].Key = s.prefix + scoped[i].Key
	}
	return scoped, nil
}

// scopedShared is what a store has for several processes, of the records below a prefix.
type scopedShared struct {
	shared rules.Shared
	prefix string
}

// Lock waits for a lock of that name.
func (s scopedShared) Lock(ctx context.Context, name string) (release func(), err error) {
	return s.shared.Lock(ctx, s.prefix+name)
}

// RecordsSince calls a function for the records with a prefix that were changed after a
// mark.
func (s scopedShared) RecordsSince(ctx context.Context, prefix string, since rules.Mark, do func(key string, value []byte) error) (rules.Mark, error) {
	return s.shared.RecordsSince(ctx, s.prefix+prefix, since, func(key string, value []byte) error {
		return do(strings.TrimPrefix(key, s.prefix), value)
	})
}

// scopedLedger counts apart from others: a limit of one policy is not the limit of
// another that happens to have the same id.
type scopedLedger struct {
	rules.Ledger
	prefix string
}

// Hold counts all charges or none.
func (s scopedLedger) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	scoped, err := s.scoped(charges)
	if err != nil {
		return 0, err
	}
	return s.Ledger.Hold(ctx, scoped)
}

// Reserve counts all charges or none, and may leave it to the record of the decision to
// make that durable.
func (s scopedLedger) Reserve(ctx context.Context, charges []rules.Charge) (rules.HoldID, *rules.Reservation, error) {
	scoped, err := s.scoped(charges)
	if err != nil {
		return 0, nil, err
	}
	return reserveOrHold(ctx, s.Ledger, scoped)
}

// scoped returns charges with the counters that they have among all.
func (s scopedLedger) scoped(charges []rules.Charge) ([]rules.Charge, error) {
	scoped := slices.Clone(charges)
	for i := range scoped {
		if scoped[i].Counter == "" {
			return nil, fmt.Errorf("charge %d has no counter", i)
		}
		scoped[i].Counter = s.prefix + scoped[i].Counter
	}
	return scoped, nil
}
