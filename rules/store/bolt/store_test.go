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

func TestDurable(t *testing.T) { storetest.TestDurable(t, newStore) }

// TestDurableModel takes a copy of the file for what a crash leaves: what was not
// written yet is lost.
func TestDurableModel(t *testing.T) {
	path := ""
	create := func(t *testing.T) func(*testing.T, func() time.Time) storetest.Store {
		path = newFile(t)
		return func(t *testing.T, clock func() time.Time) storetest.Store {
			return open(t, path, bolt.Options{Clock: clock})
		}
	}
	storetest.TestDurableModel(t, create, func(t *testing.T, store storetest.Store) {
		left, err := os.ReadFile(path)
		ok(t, err)
		ok(t, store.Close())
		path = filepath.Join(t.TempDir(), "crashed.db")
		ok(t, os.WriteFile(path, left, 0o600))
	})
}
