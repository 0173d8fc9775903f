//go:build linux

package postgres_test

import (
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

var (
	shared  pgtest.Shared
	schemas atomic.Int64
)

// checks is how many random runs a test makes if the command line does not say.
const checks = "6"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		shared.Remove()
		os.Exit(code)
	}), goleak.IgnoreTopFunction("os/exec.(*Cmd).Wait"), goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}

// place is where an empty store is.
type place struct{ dsn, schema string }

func newStore(t testing.TB) place {
	t.Helper()
	return newStoreAt(t, shared.Start(t).DSN("postgres"))
}

func newStoreAt(t testing.TB, dsn string) place {
	t.Helper()
	p := place{dsn, fmt.Sprint("kvclef ", schemas.Add(1))} // a name that must be quoted
	if _, err := postgres.Migrate(t.Context(), p.dsn, p.schema); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p place) options() postgres.Options {
	return postgres.Options{DSN: p.dsn, Schema: p.schema, Replica: "one", Conns: 8, Timeout: time.Minute}
}

func open(t testing.TB, options postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ok(t, store.Close()) })
	return store
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reset empties a store, which is quicker than to make one.
const reset = `DELETE FROM counters; DELETE FROM charges; DELETE FROM holds; DELETE FROM records; DELETE FROM removed; DELETE FROM storage;
	UPDATE clock SET latest = 0; UPDATE records_size SET records = 0, bytes = 0, mark = 0; UPDATE storage_size SET keys = 0, bytes = 0`

// emptied is one store that is opened again and again. It is not for what a test
// has open twice.
type emptied struct {
	place
	last []*postgres.Store
}

func newEmptied(t testing.TB) *emptied { return &emptied{place: newStore(t)} }

func (e *emptied) empty(t *testing.T) {
	e.close(t)
	shared.Start(t).Exec(t, "postgres", `SET search_path = "`+e.schema+`"; SET synchronous_commit = off; `+reset)
}

func (e *emptied) open(t *testing.T, clock func() time.Time) *postgres.Store {
	options := e.options()
	options.Clock = clock
	store, err := postgres.Open(t.Context(), options)
	ok(t, err)
	e.last = append(e.last, store)
	return store
}

func (e *emptied) newLedger(t *testing.T, clock func() time.Time) storetest.Ledger {
	e.empty(t)
	return e.open(t, clock)
}

func (e *emptied) create(t *testing.T) func(*testing.T, func() time.Time) storetest.Store {
	e.empty(t)
	return func(t *testing.T, clock func() time.Time) storetest.Store { return e.open(t, clock) }
}

// crash loses all connections at once, with whatever was under way.
func (e *emptied) crash(t *testing.T, store storetest.Store) {
	shared.Start(t).Exec(t, "postgres", "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'kvclef/%'")
	ok(t, store.Close())
}

func (e *emptied) close(t *testing.T) {
	for _, store := range e.last {
		ok(t, store.Close())
	}
	e.last = nil
}

// several opens an empty store as several replicas have it open.
func (e *emptied) several(t *testing.T, clock func() time.Time) storetest.SharedStore {
	e.empty(t)
	return storetest.Spread(e.open(t, clock), e.open(t, clock))
}

func TestLedger(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestLedger(t, e.newLedger)
}

func TestLedgerModel(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestLedgerModel(t, e.newLedger)
}

func TestRecordsModel(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestRecordsModel(t, func(t *testing.T) rules.Records {
		e.empty(t)
		return e.open(t, nil)
	})
}

func TestRecordBounds(t *testing.T) {
	storetest.TestRecordBounds(t, func(t *testing.T, records, bytes int) rules.Records {
		return open(t, newStore(t).options().WithRecordBounds(records, bytes))
	})
}

func TestDurable(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestDurable(t, e.create)
}

func TestDurableModel(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestDurableModel(t, e.create, e.crash)
}

func TestDurableRecords(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestDurableRecords(t, e.create, e.crash)
}
