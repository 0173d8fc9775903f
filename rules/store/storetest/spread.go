package storetest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/kvclef/kvclef/rules"
)

// SharedStore is a store that several processes may have open.
type SharedStore interface {
	Store
	rules.Shared
}

// Spread is one store that is open several times: each call goes to the next of
// them. It must do what one does.
func Spread(stores ...SharedStore) SharedStore { return &spread{stores: stores} }

type spread struct {
	stores []SharedStore
	next   atomic.Uint64
}

func (s *spread) one() SharedStore { return s.stores[s.next.Add(1)%uint64(len(s.stores))] }

func (s *spread) Begin(ctx context.Context) (rules.StorageTx, error) { return s.one().Begin(ctx) }

func (s *spread) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	return s.one().Hold(ctx, charges)
}

func (s *spread) Commit(ctx context.Context, id rules.HoldID) error { return s.one().Commit(ctx, id) }

func (s *spread) Release(ctx context.Context, id rules.HoldID) error { return s.one().Release(ctx, id) }

func (s *spread) Usage(ctx context.Context, counter string) (rules.Usage, error) {
	return s.one().Usage(ctx, counter)
}

func (s *spread) Record(ctx context.Context, key string) ([]byte, error) {
	return s.one().Record(ctx, key)
}

func (s *spread) EachRecord(ctx context.Context, prefix string, do func(string, []byte) error) error {
	return s.one().EachRecord(ctx, prefix, do)
}

func (s *spread) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	return s.one().ChangeRecords(ctx, changes...)
}

func (s *spread) Lock(ctx context.Context, name string) (func(), error) {
	return s.one().Lock(ctx, name)
}

func (s *spread) RecordsSince(ctx context.Context, prefix string, since rules.Mark, do func(string, []byte) error) (rules.Mark, error) {
	return s.one().RecordsSince(ctx, prefix, since, do)
}

func (s *spread) Close() error {
	var errs []error
	for _, store := range s.stores {
		errs = append(errs, store.Close())
	}
	return errors.Join(errs...)
}
