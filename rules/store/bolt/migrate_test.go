package bolt_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// older writes a store that a kvclef of an older version of the format made and
// filled, as fill does with what there was then.
func older(t *testing.T, version int) string {
	t.Helper()
	packed, err := os.Open(fmt.Sprintf("testdata/version%d.db.gz", version))
	ok(t, err)
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	ok(t, err)
	data, err := io.ReadAll(unpacked)
	ok(t, err)
	path := filepath.Join(t.TempDir(), fmt.Sprintf("version%d.db", version))
	ok(t, os.WriteFile(path, data, 0o600))
	return path
}

// TestMigration opens stores of older versions: all of them is there, and counts.
func TestMigration(t *testing.T) {
	for version := 1; version < 4; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) { migration(t, version) })
	}
}

func migration(t *testing.T, version int) {
	path := older(t, version)
	was := inspect(t, path)
	if was.Version != version || was.Keys != 251 || len(was.Counters) != 41 || len(was.Holds) != 50 || was.Attestation == nil {
		t.Fatalf("version %d, %d keys, %d counters, %d holds", was.Version, was.Keys, len(was.Counters), len(was.Holds))
	}
	if again := inspect(t, path); again.Version != version {
		t.Error("looking at it changed it")
	}
	ok(t, open(t, path, atNoon()).Close())
	is := inspect(t, path)
	if is.Version != 4 {
		t.Errorf("version %d", is.Version)
	}
	was.Version = is.Version
	if !reflect.DeepEqual(is, was) {
		t.Errorf("%+v became %+v", was, is)
	}

	store := open(t, path, atNoon())
	if heads, err := store.LogHeads(t.Context()); heads == nil || err != nil {
		t.Errorf("it looks as if it was used with no audit log: %v", err)
	}
	if value := get(t, store, "key 001"); value == "" {
		t.Error("the storage is lost")
	}
	// Of "all", 100 are used of 1000: 50 are committed, 50 held.
	usage, err := store.Usage(t.Context(), "all")
	if err != nil || usage.Used.Uint64() != 100 || usage.Held.Uint64() != 50 || !usage.Next.Equal(noon().Add(time.Hour)) {
		t.Errorf("%+v, %v", usage, err)
	}
	var over *rules.OverLimitError
	if _, err := store.Hold(t.Context(), []rules.Charge{charge("all", 901, 1000)}); !errors.As(err, &over) || over.Used.Uint64() != 100 {
		t.Errorf("more than is left: %v", err)
	}
	key := []byte("tx/1")
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: string(key), New: key}))
	ok(t, store.Release(t.Context(), is.Holds[0].ID))
	_, err = store.Hold(t.Context(), []rules.Charge{slotted("all", "nonce", 901, 1000)})
	ok(t, err)
	ok(t, store.Close())
	if got := inspect(t, path); got.Counters[0].Used.Uint64() != 1000 || got.RecordValues[string(key)] != string(key) {
		t.Errorf("%s are used; records: %v", got.Counters[0].Used.Dec(), got.Records)
	}
}

// TestMigrationFails ends it at every point: the store is of one version or of
// the other, and opens.
func TestMigrationFails(t *testing.T) {
	for from := 1; from < 4; from++ {
		migrationFails(t, "store.before-commit", from, from)
		migrationFails(t, "store.after-commit", from, 4)
	}
}

func migrationFails(t *testing.T, point string, from, version int) {
	t.Helper()
	path := older(t, from)
	_, err := bolt.Open(t.Context(), path, bolt.Options{Clock: noon, Hook: func(at string) {
		if at == point {
			panic("the power went out")
		}
	}})
	if err == nil {
		t.Fatalf("%s: it opens", point)
	}
	left, err := os.ReadFile(path) // that bbolt crashed may keep the file locked
	ok(t, err)
	copied := filepath.Join(t.TempDir(), "copied.db")
	ok(t, os.WriteFile(copied, left, 0o600))
	if summary := inspect(t, copied); summary.Version != version || len(summary.Counters) != 41 {
		t.Errorf("%s: version %d, %d counters", point, summary.Version, len(summary.Counters))
	}
	store := open(t, copied, atNoon())
	if usage, err := store.Usage(t.Context(), "all"); err != nil || usage.Used.Uint64() != 100 {
		t.Errorf("%s: %+v, %v", point, usage, err)
	}
	ok(t, store.Close())
}

// TestMigrationOfDamaged refuses a damaged store of an older version, and leaves
// it as it is.
func TestMigrationOfDamaged(t *testing.T) {
	for version := 1; version < 4; version++ {
		migrationOfDamaged(t, older(t, version))
	}
}

func migrationOfDamaged(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	ok(t, err)
	data = bytes.ReplaceAll(data, []byte("counter 7"), []byte("counter 8")) // in pages that are free, too
	ok(t, os.WriteFile(path, data, 0o600))
	if _, err := bolt.Open(t.Context(), path, atNoon()); !errors.Is(err, bolt.ErrCorrupt) {
		t.Errorf("it opens: %v", err)
	}
	after, err := os.ReadFile(path)
	ok(t, err)
	if !bytes.Equal(after, data) {
		t.Error("it was changed")
	}
}

// TestUsageOfClosed is refused, as everything is.
func TestUsageOfClosed(t *testing.T) {
	store := open(t, newFile(t), atNoon())
	ok(t, store.Close())
	if _, err := store.Usage(t.Context(), "a"); !errors.Is(err, bolt.ErrClosed) {
		t.Error(err)
	}
}

// TestRoomIsBounded tells no time when what expires next is of others.
func TestRoomIsBounded(t *testing.T) {
	store := open(t, newFile(t), atNoon())
	others := make([]rules.Charge, rules.MaxCharges)
	for i := range others {
		others[i] = charge(fmt.Sprint("other ", i), 1, 1)
		others[i].Window = time.Minute
	}
	_, err := store.Hold(t.Context(), others)
	ok(t, err)
	full := charge("a", 9, 9)
	_, err = store.Hold(t.Context(), []rules.Charge{full})
	ok(t, err)
	var over *rules.OverLimitError
	if _, err := store.Hold(t.Context(), []rules.Charge{full}); !errors.As(err, &over) || !over.Room.IsZero() {
		t.Errorf("behind 1024 others: %v", err)
	}
	if _, err := store.Hold(t.Context(), []rules.Charge{others[0]}); !errors.As(err, &over) || !over.Room.Equal(noon().Add(time.Minute)) {
		t.Errorf("in front: %v", err)
	}
}

// TestCopy of a store that nobody has open is the same file, of whatever version.
func TestCopy(t *testing.T) {
	for version := 1; version < 4; version++ {
		path := older(t, version)
		before, err := os.ReadFile(path)
		ok(t, err)
		var copied bytes.Buffer
		n, err := bolt.Copy(path, &copied)
		ok(t, err)
		after, err := os.ReadFile(path)
		ok(t, err)
		if n != int64(len(before)) || !bytes.Equal(copied.Bytes(), before) || !bytes.Equal(after, before) {
			t.Errorf("version %d: %d bytes of %d, or they differ", version, n, len(before))
		}
	}

	path := newFile(t)
	store := open(t, path, atNoon())
	var copied bytes.Buffer
	if _, err := bolt.Copy(path, &copied); !errors.Is(err, bolt.ErrLocked) || copied.Len() > 0 {
		t.Errorf("of an open one: %v, %d bytes", err, copied.Len())
	}
	ok(t, store.Close())
	if _, err := bolt.Copy(path+"x", &copied); !errors.Is(err, bolt.ErrMissing) {
		t.Error(err)
	}
	ok(t, os.WriteFile(path, []byte("this is no store"), 0o600))
	if _, err := bolt.Copy(path, &copied); !errors.Is(err, bolt.ErrForeign) || copied.Len() > 0 {
		t.Error(err)
	}
}
