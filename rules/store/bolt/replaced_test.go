package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestReplacedWhileReservationsWait puts something in the place of a store while
// reservations wait in a transaction: nothing is reserved or held any more, neither where
// nobody finds it nor beside what an older copy has forgotten.
func TestReplacedWhileReservationsWait(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file can't be replaced there")
	}
	const holds = 4
	for name, replace := range map[string]func(t *testing.T, path string, older []byte){
		"moved there": func(t *testing.T, path string, older []byte) {
			t.Helper()
			ok(t, os.WriteFile(path+".new", older, 0o600))
			ok(t, os.Rename(path+".new", path))
		},
		"written over": func(t *testing.T, path string, older []byte) {
			t.Helper()
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			ok(t, err)
			_, err = file.Write(older)
			ok(t, errors.Join(err, file.Close()))
		},
		"spoilt": func(t *testing.T, path string, _ []byte) {
			t.Helper()
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			ok(t, err)
			_, err = file.Write(make([]byte, 4096))
			ok(t, errors.Join(err, file.Close()))
		},
	} {
		for age := range holds {
			t.Run(fmt.Sprintf("%s %d", name, age), func(t *testing.T) {
				t.Parallel()
				path := newFile(t)
				var b book
				store, err := bolt.Open(t.Context(), path, atNoon())
				ok(t, err)
				ok(t, store.Rely(t.Context(), bookPath, b.head))
				var older []byte
				for i := range holds {
					if i == age {
						older, err = os.ReadFile(path)
						ok(t, err)
					}
					_, err = store.Hold(t.Context(), []rules.Charge{charge("a", 1, 99)})
					ok(t, err)
				}
				b.reserve(t, store, charge("a", 1, 99))
				replace(t, path, older)
				if id, _, err := store.Reserve(t.Context(), []rules.Charge{charge("a", 1, 99)}); err == nil {
					t.Errorf("reserved as %d", id)
				}
				if id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 99)}); !errors.Is(err, bolt.ErrBroken) {
					t.Errorf("held as %d: %v", id, err)
				}
				if usage, err := store.Usage(t.Context(), "a"); !errors.Is(err, bolt.ErrBroken) {
					t.Errorf("it counts %s: %v", usage.Used.Dec(), err)
				}
				_ = store.Close() // it may say what was found
			})
		}
	}
}

// TestReplacedIsNotRead: records are not read from an older copy that was written over a store,
// and nobody waits for what will not come.
func TestReplacedIsNotRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file can't be written over there")
	}
	for name, read := range map[string]func(t *testing.T, store *bolt.Store) error{
		"record": func(t *testing.T, store *bolt.Store) error {
			t.Helper()
			_, err := store.Record(t.Context(), "a/1")
			return err
		},
		"records": func(t *testing.T, store *bolt.Store) error {
			t.Helper()
			return store.EachRecord(t.Context(), "", func(string, []byte) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newFile(t)
			store, err := bolt.Open(t.Context(), path, atNoon())
			ok(t, err)
			older, err := os.ReadFile(path)
			ok(t, err)
			ok(t, store.ChangeRecords(t.Context(), added("a/1", "1")))
			ok(t, store.ChangeRecords(t.Context(), added("a/2", "1")))
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			ok(t, err)
			_, err = file.Write(older)
			ok(t, errors.Join(err, file.Close()))
			if err := read(t, store); !errors.Is(err, bolt.ErrBroken) {
				t.Errorf("it was read: %v", err)
			}
			_ = store.Close() // it may say what was found
		})
	}
}

// TestOlderHead: a head page that is of far before the other one took the place of one that
// is lost, and perhaps the newest: such a file is not opened.
func TestOlderHead(t *testing.T) {
	path := newFile(t)
	store, err := bolt.Open(t.Context(), path, atNoon())
	ok(t, err)
	var files [][]byte
	for range 8 {
		_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 99)})
		ok(t, err)
		file, err := os.ReadFile(path)
		ok(t, err)
		files = append(files, file)
	}
	ok(t, store.Close())
	last := files[len(files)-1]
	for head := range 2 {
		at := head * page
		for _, older := range files[:4] {
			spoilt := slices.Concat(last[:at], older[at:at+page], last[at+page:])
			path := newFile(t)
			ok(t, os.WriteFile(path, spoilt, 0o600))
			if left, err := bolt.Open(t.Context(), path, atNoon()); !errors.Is(err, bolt.ErrCorrupt) {
				t.Errorf("head %d: opened: %v", head, err)
				if err == nil {
					_ = left.Close()
				}
			}
		}
	}
}
