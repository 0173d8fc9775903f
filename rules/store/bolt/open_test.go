package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules/store/bolt"
)

func TestOpenRefuses(t *testing.T) {
	foreign := func(change func(tx *bbolt.Tx) error) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(change), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	format := func(record string) func(t *testing.T, path string) {
		return foreign(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucket([]byte("kvclef"))
			return errors.Join(err, bucket.Put([]byte("format"), []byte(record)))
		})
	}
	content := func(data []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, story := range map[string]struct {
		make   func(t *testing.T, path string)
		want   error
		remedy string
	}{
		"missing":         {func(*testing.T, string) {}, bolt.ErrMissing, "kvclef init"},
		"empty":           {content(nil), bolt.ErrForeign, ""},
		"text":            {content(bytes.Repeat([]byte("text\n"), 10_000)), bolt.ErrForeign, ""},
		"short":           {content([]byte("text\n")), bolt.ErrForeign, ""},
		"zeros":           {content(make([]byte, 1<<16)), bolt.ErrForeign, ""},
		"other's":         {foreign(func(*bbolt.Tx) error { return nil }), bolt.ErrForeign, "kvclef init"},
		"other's bucket":  {foreign(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("mine")); return err }), bolt.ErrForeign, ""},
		"other's format":  {format(`{"format":"other","version":1}`), bolt.ErrForeign, ""},
		"no JSON":         {format(`kvclef`), bolt.ErrForeign, ""},
		"newer":           {format(`{"format":"kvclef","version":5,"id":7}`), bolt.ErrNewer, "use a newer kvclef"},
		"format alone":    {format(`{"format":"kvclef","version":1}`), bolt.ErrCorrupt, "kvclef state show"},
		"format damaged":  {format(`{"format":"kvclef","version":1,"id":7}`), bolt.ErrCorrupt, "kvclef state show"},
		"a directory":     {func(t *testing.T, path string) { ok(t, os.Mkdir(path, 0o700)) }, bolt.ErrForeign, ""},
		"in use":          {func(t *testing.T, path string) { ok(t, bolt.Create(path)); open(t, path, bolt.Options{}) }, bolt.ErrLocked, "only one"},
		"head cut off":    {truncated(5000), bolt.ErrCorrupt, "backup"},
		"one page":        {truncated(4096), bolt.ErrCorrupt, "backup"},
		"pages cut off":   {truncated(5 * 4096), bolt.ErrCorrupt, "cut off"},
		"first head":      {overwritten(16), bolt.ErrCorrupt, "head page"},
		"second head":     {overwritten(4096 + 20), bolt.ErrCorrupt, "head page"},
		"second checksum": {overwritten(4096 + 16 + 60), bolt.ErrCorrupt, "checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			story.make(t, path)
			before, _ := os.ReadFile(path)
			store, err := bolt.Open(t.Context(), path, bolt.Options{})
			if err == nil {
				t.Fatal(store.Close(), "it opens")
			}
			if !errors.Is(err, story.want) || !strings.Contains(err.Error(), story.remedy) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v\nwant: %v, with the path and %q", err, story.want, story.remedy)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func truncated(size int64) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		ok(t, bolt.Create(path))
		fill(t, path)
		ok(t, os.Truncate(path, size))
	}
}

func overwritten(offset int) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		ok(t, bolt.Create(path))
		data, err := os.ReadFile(path)
		ok(t, err)
		data[offset] ^= 0x10
		ok(t, os.WriteFile(path, data, 0o600))
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCreate(t *testing.T) {
	path := newFile(t)
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
	fill(t, path)
	before, err := os.ReadFile(path)
	ok(t, err)
	if err := bolt.Create(path); !errors.Is(err, bolt.ErrExists) {
		t.Errorf("made over another: %v", err)
	}
	text := filepath.Join(t.TempDir(), "text")
	ok(t, os.WriteFile(text, nil, 0o600))
	if err := bolt.Create(text); !errors.Is(err, bolt.ErrExists) {
		t.Errorf("made over an empty file: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the other was changed")
	}
	if err := bolt.Create(filepath.Join(t.TempDir(), "no", "such", "place")); err == nil {
		t.Error("made where there is no directory")
	}
	if first, second := inspect(t, path), inspect(t, newFile(t)); first.ID == second.ID || len(first.ID) != 32 || first.Version != 4 {
		t.Errorf("ids %q and %q", first.ID, second.ID)
	}
}
