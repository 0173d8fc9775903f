package bolt

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// TestReadsWaitForTheFlush has the file show a transaction of which the writer
// does not know yet that it is durable.
func TestReadsWaitForTheFlush(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		reached, release := make(chan bool), make(chan bool)
		armed := false
		store, err := Open(t.Context(), path, Options{Hook: func(point string) {
			if armed && point == "store.before-commit" {
				reached <- true
				<-release
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		change := func(from, to []byte) error {
			return store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", Old: from, New: to})
		}
		if err := change(nil, []byte("1")); err != nil {
			t.Fatal(err)
		}
		armed = true
		changed := make(chan error, 1)
		go func() { changed <- change([]byte("1"), []byte("2")) }()
		<-reached
		store.writer.identity.last.Add(^uint64(0)) // as before the flush of the first has ended
		read := make(chan string, 1)
		go func() {
			value, err := store.Record(t.Context(), "a/1")
			if err != nil {
				t.Error(err)
			}
			read <- string(value)
		}()
		synctest.Wait()
		select {
		case value := <-read:
			t.Errorf("read before it is durable: %q", value)
		default:
		}
		release <- true
		if err := <-changed; err != nil {
			t.Error(err)
		}
		if value := <-read; value != "2" {
			t.Errorf("read after the flush: %q", value)
		}

		// A transaction that nobody here wrote is of another.
		armed = false
		store.writer.identity.last.Add(^uint64(0))
		if _, err := store.Record(t.Context(), "a/1"); !errors.Is(err, ErrBroken) {
			t.Errorf("read what another wrote: %v", err)
		}
		if err := change([]byte("2"), nil); !errors.Is(err, ErrBroken) {
			t.Errorf("changed after it: %v", err)
		}
		_ = store.Close()
	})
}

// TestMalformedRecords are refused when a store is opened.
func TestMalformedRecords(t *testing.T) {
	for _, bad := range []struct {
		key   string
		value []byte
	}{
		{strings.Repeat("k", rules.MaxRecordKey+1), []byte("1")},
		{"a/1", bytes.Repeat([]byte("v"), rules.MaxRecordValue+1)},
	} {
		path := filepath.Join(t.TempDir(), "state.db")
		if err := Create(path); err != nil {
			t.Fatal(err)
		}
		store, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = store.writer.do(t.Context(), func(t *tables) error { return t.put(bucketRecords, []byte(bad.key), bad.value) })
		if err := errors.Join(err, store.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a key of %d and a value of %d bytes: %v", len(bad.key), len(bad.value), err)
		}
		if _, err := Inspect(t.Context(), path, time.Now(), true); !errors.Is(err, ErrCorrupt) {
			t.Errorf("inspected: %v", err)
		}
	}
}
