package memory_test

import (
	"testing"

	"github.com/kvclef/kvclef/rules"
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
