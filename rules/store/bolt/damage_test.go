package bolt_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

const page = 4096

// TestDamage damages a file in every way that is likely, and some that are not.
// It is refused, or it opens with all that was in it, and works: never a crash,
// never a loss in silence.
func TestDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a great many files, one after the other")
	}
	path := newFile(t)
	fill(t, path)
	whole := backup(t, path) // which has no room to grow at its end
	if len(whole)%page != 0 || len(whole) < 20*page {
		t.Fatalf("the file has %d bytes: not what this test is for", len(whole))
	}
	want := inspect(t, path)
	if len(want.Records) != 3 || len(want.RecordValues) != 32 || want.Keys != 251 || len(want.Counters) != 41 || len(want.Holds) != 50 || want.Attestation == nil {
		t.Fatalf("%d keys, %d counters, %d holds, attestation %v", want.Keys, len(want.Counters), len(want.Holds), want.Attestation)
	}

	damaged := &damagedFile{path: filepath.Join(t.TempDir(), "damaged.db"), whole: whole, want: want}
	random := rand.New(rand.NewPCG(1, 17))
	pages := len(whole) / page

	t.Run("one byte", func(t *testing.T) {
		for range 2000 {
			at, mask := random.IntN(len(whole)), byte(1+random.IntN(255))
			damaged.check(t, func(data []byte) []byte { data[at] ^= mask; return data })
		}
	})
	t.Run("page headers", func(t *testing.T) { // and the elements that follow
		for i := range pages {
			for range 24 {
				at, value := i*page+random.IntN(64), byte(random.IntN(256))
				damaged.check(t, func(data []byte) []byte { data[at] = value; return data })
			}
		}
	})
	t.Run("a page of zeros", func(t *testing.T) {
		for i := range pages {
			damaged.check(t, func(data []byte) []byte { clear(data[i*page : (i+1)*page]); return data })
		}
	})
	t.Run("half a page", func(t *testing.T) {
		for i := range pages {
			damaged.check(t, func(data []byte) []byte { clear(data[i*page+page/2 : (i+1)*page]); return data })
		}
	})
	t.Run("noise", func(t *testing.T) {
		for i := range pages {
			damaged.check(t, func(data []byte) []byte {
				for j := range page {
					data[i*page+j] = byte(random.Uint32())
				}
				return data
			})
		}
	})
	t.Run("another page", func(t *testing.T) {
		for i := range pages {
			for range 2 {
				from := random.IntN(pages)
				damaged.check(t, func(data []byte) []byte {
					copy(data[i*page:(i+1)*page], whole[from*page:])
					return data
				})
				damaged.check(t, func(data []byte) []byte { // that says it is this one
					copy(data[i*page+8:(i+1)*page], whole[from*page+8:])
					return data
				})
			}
		}
	})
	t.Run("cut off", func(t *testing.T) {
		for i := range pages {
			damaged.check(t, func(data []byte) []byte { return data[:i*page] })
			damaged.check(t, func(data []byte) []byte { return data[:i*page+random.IntN(page)] })
		}
	})
	if damaged.refused < 1000 || damaged.opened < 100 {
		t.Errorf("%d were refused and %d opened: too few to tell", damaged.refused, damaged.opened)
	}
	t.Logf("%d refused, %d opened whole", damaged.refused, damaged.opened)
}

// TestInspectDamaged tells what is known of a store that does not open.
func TestInspectDamaged(t *testing.T) {
	path := newFile(t)
	fill(t, path)
	whole := backup(t, path)
	at := bytes.LastIndex(whole, []byte("large large")) / page * page // a page of the storage, with what follows it
	clear(whole[at : at+page])
	ok(t, os.WriteFile(path, whole, 0o600))
	summary, err := bolt.Inspect(t.Context(), path, noon(), true)
	if !errors.Is(err, bolt.ErrCorrupt) || summary == nil {
		t.Fatalf("%v, %v", summary, err)
	}
	if len(summary.Counters) != 41 || len(summary.Holds) != 50 || summary.Attestation == nil || summary.ID == "" || !summary.Latest.Equal(noon()) {
		t.Errorf("what is sound is not told: %+v", summary)
	}
	t.Log(err)
}

// backup closes the store again.
func backup(t *testing.T, path string) []byte {
	t.Helper()
	store := open(t, path, atNoon())
	var copied bytes.Buffer
	n, err := store.Backup(&copied)
	ok(t, err)
	if n != int64(copied.Len()) {
		t.Errorf("%d bytes are told of %d", n, copied.Len())
	}
	ok(t, store.Close())
	return copied.Bytes()
}

type damagedFile struct {
	path            string
	whole           []byte
	want            *bolt.Summary
	opened, refused int
}

func (d *damagedFile) check(t *testing.T, damage func([]byte) []byte) {
	t.Helper()
	ok(t, os.WriteFile(d.path, damage(append([]byte(nil), d.whole...)), 0o600))
	store, err := bolt.Open(t.Context(), d.path, atNoon())
	if err != nil {
		d.refused++
		if !errors.Is(err, bolt.ErrCorrupt) && !errors.Is(err, bolt.ErrForeign) {
			t.Fatalf("refused for another reason: %v", err)
		}
		if _, err := bolt.Inspect(t.Context(), d.path, noon(), false); err == nil {
			t.Fatal("inspected without a complaint")
		}
		return
	}
	d.opened++
	got := inspect(t, d.path)
	got.Path = d.want.Path
	if !reflect.DeepEqual(got, d.want) {
		t.Fatal("it opens, and something of it is lost")
	}
	if d.opened%20 == 0 { // flushing takes its time
		_, err := store.Hold(t.Context(), []rules.Charge{charge("all", 1, 1000)})
		ok(t, err)
		put(t, store, "later", "1")
		inspect(t, d.path)
	}
	ok(t, store.Close())
}
