package bolt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// noon is the time in these tests.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func atNoon() bolt.Options { return bolt.Options{Clock: noon} }

func charge(counter string, amount, limit uint64) rules.Charge {
	return rules.Charge{Counter: counter, Amount: *uint256.NewInt(amount), Cap: *uint256.NewInt(limit), Window: time.Hour}
}

func slotted(counter, slot string, amount, limit uint64) rules.Charge {
	c := charge(counter, amount, limit)
	c.Slot = slot
	return c
}

// fill puts something of everything into a store: trees of some depth, values
// of several pages, and free pages.
func fill(t testing.TB, path string) {
	t.Helper()
	store := open(t, path, atNoon())
	tx, err := store.Begin(t.Context())
	ok(t, err)
	for i := range 300 {
		ok(t, tx.Put(fmt.Sprintf("key %03d", i), strings.Repeat(fmt.Sprint(i), 40)))
	}
	ok(t, tx.Put("large", strings.Repeat("large ", 5000)))
	ok(t, tx.Flush(t.Context()))
	for i := range 50 {
		ok(t, tx.Put(fmt.Sprintf("key %03d", 3*i), ""))
	}
	ok(t, tx.Commit(t.Context()))
	for i := range 100 {
		id, err := store.Hold(t.Context(), []rules.Charge{charge("all", 1, 1000), slotted(fmt.Sprint("counter ", i%40), fmt.Sprint("nonce ", i%7), 5, 1000)})
		ok(t, err)
		if i%2 == 0 {
			ok(t, store.Commit(t.Context(), id))
		}
	}
	for i := range 60 {
		key := fmt.Sprintf("%s/%02d", []string{"idem", "sealed", "tx"}[i%3], i)
		ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: key, New: []byte(strings.Repeat(fmt.Sprint("r", i), i*i))}))
		if i%5 == 0 {
			ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: key, Old: []byte(strings.Repeat(fmt.Sprint("r", i), i*i))}))
		}
	}
	ok(t, store.Attest(t.Context(), rules.Attestation{SHA256: common.Hash{1, 2, 3}, File: "rules.js", Time: noon()}))
	ok(t, store.Close())
}

func inspect(t testing.TB, path string) *bolt.Summary {
	t.Helper()
	summary, err := bolt.Inspect(t.Context(), path, noon(), true)
	ok(t, err)
	return summary
}

// put commits one value.
func put(t testing.TB, store *bolt.Store, key, value string) {
	t.Helper()
	tx, err := store.Begin(t.Context())
	ok(t, err)
	ok(t, tx.Put(key, value))
	ok(t, tx.Commit(t.Context()))
}

func get(t testing.TB, store *bolt.Store, key string) string {
	t.Helper()
	tx, err := store.Begin(t.Context())
	ok(t, err)
	defer tx.Rollback()
	value, err := tx.Get(key)
	ok(t, err)
	return value
}
