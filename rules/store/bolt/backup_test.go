package bolt

import (
	"bytes"
	"path/filepath"
	"testing"

	bbolt "go.etcd.io/bbolt"
)

// TestHeadsOfBackup: the heads of a copy are where the transactions that follow
// expect them, and the newer one is that of the store.
func TestHeadsOfBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	store, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	seen := map[uint64]bool{}
	for range 2 {
		if err := store.writer.do(t.Context(), func(t *tables) error { return t.put(bucketStorage, []byte("key"), []byte("value")) }); err != nil {
			t.Fatal(err)
		}
		var last uint64
		if err := store.db.View(func(tx *bbolt.Tx) error { last = number(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		var copied bytes.Buffer
		if _, err := store.Backup(&copied); err != nil {
			t.Fatal(err)
		}
		for place, at := range []int64{0, int64(store.db.Info().PageSize)} {
			h, err := headAt(bytes.NewReader(copied.Bytes()), at)
			if err != nil {
				t.Fatal(err)
			}
			want := last // which has the head of its parity
			if last%2 != uint64(place) {
				want--
			}
			if h.txid != want {
				t.Errorf("head %d of a copy of transaction %d is of transaction %d", place, last, h.txid)
			}
		}
		seen[last%2] = true
	}
	if len(seen) != 2 {
		t.Error("only even or only odd transactions were copied")
	}
}
