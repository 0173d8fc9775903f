package memory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/memory"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

func TestStorage(t *testing.T) {
	storetest.TestStorage(t, func(*testing.T) rules.Storage { return memory.New(nil) })
}

func TestStorageOrder(t *testing.T) {
	storetest.TestStorageOrder(t, func(*testing.T) rules.Storage { return memory.New(nil) })
}

func TestSnapshotIsACopy(t *testing.T) {
	given := map[string]string{"a": "1"}
	storage := memory.New(given)
	given["a"] = "2"
	snapshot := storage.Snapshot()
	snapshot["a"] = "3"
	if got := storage.Snapshot(); len(got) != 1 || got["a"] != "1" {
		t.Fatalf("got %v", got)
	}
}

// TestBounds: what is tried in memory is bounded as what is kept on a disk.
func TestBounds(t *testing.T) {
	storage := memory.New(map[string]string{"given": "1"})
	tx, err := storage.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put := func(key, value, want string) {
		t.Helper()
		if err := tx.Put(key, value); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Fatalf("%d bytes under %.10q: %v, want %q", len(value), key, err, want)
		}
	}
	for i := range store.MaxKeys - 1 {
		put(fmt.Sprint(i), "1", "")
	}
	put("more", "1", "100001 keys")
	put("more", "", "")
	put("7", "2", "")
	put("8", "", "")
	put("more", "1", "")
	if err := tx.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	put("still more", "1", "100001 keys")
	put("given", "", "")
	put("still more", "1", "")
	large := strings.Repeat("v", store.MaxValue)
	for i := range 15 {
		put(fmt.Sprint(i+10), large, "")
	}
	put("10", large, "")
	put("25", large, "a transaction has")
	put(strings.Repeat("k", store.MaxKey+1), "1", "the key has")
	put("25", large+"v", "the value has")
	if err := tx.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	put("25", large, "")
	tx.Rollback()
}
