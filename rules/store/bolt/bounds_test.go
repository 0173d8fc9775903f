package bolt_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestBounds fills the storage with keys, and a transaction with bytes.
func TestBounds(t *testing.T) {
	path := newFile(t)
	store := open(t, path, bolt.Options{})
	tx, err := store.Begin(t.Context())
	ok(t, err)
	for i := range bolt.MaxKeys {
		ok(t, tx.Put(fmt.Sprint(i), "1"))
	}
	full := func() {
		t.Helper()
		if err := tx.Put("more", "1"); !errors.Is(err, bolt.ErrBounds) {
			t.Fatalf("one more than %d keys: %v", bolt.MaxKeys, err)
		}
	}
	full()
	ok(t, tx.Put("more", ""))
	ok(t, tx.Put("7", "2"))
	ok(t, tx.Put("8", ""))
	ok(t, tx.Put("more", "1"))
	ok(t, tx.Put("more", ""))
	ok(t, tx.Put("8", "1"))
	ok(t, tx.Commit(t.Context()))

	ok(t, store.Close())
	store = open(t, path, bolt.Options{})
	tx, err = store.Begin(t.Context())
	ok(t, err)
	full()
	ok(t, tx.Put("0", ""))
	tx.Rollback() // and with it the room
	tx, err = store.Begin(t.Context())
	ok(t, err)
	full()

	large := strings.Repeat("v", bolt.MaxValue)
	for i := range 15 {
		ok(t, tx.Put(fmt.Sprint(i), large))
	}
	ok(t, tx.Put("0", large))
	for key, value := range map[string]string{"15": large, strings.Repeat("k", bolt.MaxKey+1): "1", "16": large + "v"} {
		if err := tx.Put(key, value); !errors.Is(err, bolt.ErrBounds) {
			t.Errorf("%d bytes under %d: %v", len(value), len(key), err)
		}
	}
	ok(t, tx.Flush(t.Context()))
	ok(t, tx.Put("15", large))
	tx.Rollback()
}
