package bolt_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newFile makes an empty store.
func newFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := bolt.Create(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string, options bolt.Options) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func TestStorage(t *testing.T) {
	fresh := func(t *testing.T) rules.Storage { return open(t, newFile(t), bolt.Options{}) }
	storetest.TestStorage(t, fresh)
	t.Run("order", func(t *testing.T) { storetest.TestStorageOrder(t, fresh) })
}

func newLedger(t *testing.T, clock func() time.Time) storetest.Ledger {
	return open(t, newFile(t), bolt.Options{Clock: clock})
}

func TestLedger(t *testing.T)      { storetest.TestLedger(t, newLedger) }
func TestLedgerModel(t *testing.T) { storetest.TestLedgerModel(t, newLedger) }

func newStore(t *testing.T) func(*testing.T, func() time.Time) storetest.Store {
	path := newFile(t)
	return func(t *testing.T, clock func() time.Time) storetest.Store {
		return open(t, path, bolt.Options{Clock: clock})
	}
}

func newRecords(t *testing.T) rules.Records { return open(t, newFile(t), bolt.Options{}) }

func TestRecords(t *testing.T)      { storetest.TestRecords(t, newRecords) }
func TestRecordsModel(t *testing.T) { storetest.TestRecordsModel(t, newRecords) }

func TestRecordBounds(t *testing.T) {
	storetest.TestRecordBounds(t, func(t *testing.T, records, bytes int) rules.Records {
		return open(t, newFile(t), bolt.Options{}.WithRecordBounds(records, bytes))
	})
}

func TestDurable(t *testing.T) { storetest.TestDurable(t, newStore) }

// crashing takes a copy of the file for what a crash leaves: what was not written
// yet is lost.
type crashing struct{ path string }

func (c *crashing) create(t *testing.T) func(*testing.T, func() time.Time) storetest.Store {
	c.path = newFile(t)
	return func(t *testing.T, clock func() time.Time) storetest.Store {
		return open(t, c.path, bolt.Options{Clock: clock})
	}
}

func (c *crashing) crash(t *testing.T, store storetest.Store) {
	left, err := os.ReadFile(c.path)
	ok(t, err)
	ok(t, store.Close())
	c.path = filepath.Join(t.TempDir(), "crashed.db")
	ok(t, os.WriteFile(c.path, left, 0o600))
}

func TestDurableModel(t *testing.T) {
	c := new(crashing)
	storetest.TestDurableModel(t, c.create, c.crash)
}

func TestDurableRecords(t *testing.T) {
	c := new(crashing)
	storetest.TestDurableRecords(t, c.create, c.crash)
}
