// Package storetest is what every store of kvclef must do, as tests: a further
// store passes them, or it is not one.
//
// Only tests import it. It knows nothing of any store but the interfaces of
// package rules.
package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// Ledger is a ledger that can be read.
type Ledger interface {
	rules.Ledger
	rules.Meter
}

// Store is a store that can be closed and opened again.
type Store interface {
	rules.Storage
	rules.Records
	Ledger
	Close() error
}

// start is the time at which the tests begin.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// clients is how many use a store at once.
const clients = 64

func units(n uint64) uint256.Int { return *uint256.NewInt(n) }

func charge(counter string, amount, limit uint64, window time.Duration) rules.Charge {
	return rules.Charge{Counter: counter, Amount: units(amount), Cap: units(limit), Window: window}
}

func begin(t testing.TB, storage rules.Storage) rules.StorageTx {
	t.Helper()
	tx, err := storage.Begin(t.Context())
	if err != nil {
		t.Fatalf("beginning: %v", err)
	}
	return tx
}

func put(t testing.TB, tx rules.StorageTx, key, value string) {
	t.Helper()
	if err := tx.Put(key, value); err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
}

func want(t testing.TB, tx rules.StorageTx, key, value string) {
	t.Helper()
	if got, err := tx.Get(key); err != nil || got != value {
		t.Fatalf("%q is %.40q, %v; want %.40q", key, got, err, value)
	}
}

func commit(t testing.TB, tx rules.StorageTx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatalf("committing: %v", err)
	}
}

// wantStored checks a value in a transaction of its own.
func wantStored(t testing.TB, storage rules.Storage, key, value string) {
	t.Helper()
	tx := begin(t, storage)
	defer tx.Rollback()
	want(t, tx, key, value)
}

func hold(t testing.TB, ledger rules.Ledger, charges ...rules.Charge) rules.HoldID {
	t.Helper()
	id, err := ledger.Hold(t.Context(), charges)
	if err != nil || id == 0 {
		t.Fatalf("holding %v: hold %d, %v", charges, id, err)
	}
	return id
}

// wantOver checks that charges pass a cap of which some is used.
func wantOver(t testing.TB, ledger rules.Ledger, used uint64, charges ...rules.Charge) {
	t.Helper()
	id, err := ledger.Hold(t.Context(), charges)
	var over *rules.OverLimitError
	if !errors.As(err, &over) || id != 0 {
		t.Fatalf("holding %v: hold %d, %v; want a refusal", charges, id, err)
	}
	if over.Used != units(used) {
		t.Fatalf("holding %v: %s are used, want %d", charges, over.Used.Dec(), used)
	}
}

// wantUsed checks what is used of a counter, by reading it and by asking for one
// more than is left of a cap.
func wantUsed(t testing.TB, ledger Ledger, counter string, used uint64) {
	t.Helper()
	const limit = 1 << 62
	if usage, err := ledger.Usage(t.Context(), counter); err != nil || usage.Used != units(used) {
		t.Fatalf("%s are used of %q, want %d: %v", usage.Used.Dec(), counter, used, err)
	}
	wantOver(t, ledger, used, charge(counter, limit-used+1, limit, time.Nanosecond))
}

func ok(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func refused(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error", what)
	}
}
