package bolt_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestPowerCut has some pages of a transaction reach the disk and others not.
// Without its head, nothing of it is there; with it, all is, or a disk lied
// about what it had written, and the file is refused.
func TestPowerCut(t *testing.T) {
	path := newFile(t)
	fill(t, path)
	before := readPages(t, path)
	was := inspect(t, path)

	store := open(t, path, atNoon())
	tx, err := store.Begin(t.Context())
	ok(t, err)
	for _, key := range []string{"key 001", "key 100", "key 299", "new"} {
		ok(t, tx.Put(key, strings.Repeat(key, 1000)))
	}
	ok(t, tx.Commit(t.Context()))
	ok(t, store.Close())
	after := readPages(t, path)
	is := inspect(t, path)

	mixed := filepath.Join(t.TempDir(), "mixed.db")
	random := rand.New(rand.NewPCG(7, 19))
	changed, whole := 0, 0
	for range 300 {
		changed = 0
		missing := false
		pages := make([][]byte, len(after))
		for i := range after {
			pages[i] = after[i]
			if i >= len(before) || !bytes.Equal(before[i], after[i]) {
				changed++
				if i > 1 && random.IntN(4) == 0 {
					missing = true
					pages[i] = make([]byte, page)
					if i < len(before) {
						pages[i] = before[i]
					}
				}
			}
		}

		check := func(head [][]byte, want *bolt.Summary) error {
			copy(pages, head[:2])
			ok(t, os.WriteFile(mixed, bytes.Join(pages, nil), 0o600))
			store, err := bolt.Open(t.Context(), mixed, atNoon())
			if err != nil {
				return err
			}
			got := inspect(t, mixed)
			got.Path = want.Path
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("it opens with something else: %+v, not %+v", got, want)
			}
			return store.Close()
		}
		if err := check(before, was); err != nil {
			t.Fatalf("a transaction that was cut off: %v", err)
		}
		if err := check(after, is); missing && !errors.Is(err, bolt.ErrCorrupt) || !missing && err != nil {
			t.Fatalf("the disk lied: %v; %v", missing, err)
		}
		if !missing {
			whole++
		}
	}
	if changed < 8 || whole == 0 || whole > 200 {
		t.Errorf("%d pages changed, %d of 300 were whole: not what this test is for", changed, whole)
	}
}

func readPages(t *testing.T, path string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(path)
	ok(t, err)
	var pages [][]byte
	for len(data) >= page {
		pages, data = append(pages, data[:page]), data[page:]
	}
	return pages
}
