package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

func added(key, value string) rules.Change { return rules.Change{Key: key, New: []byte(value)} }

func record(t testing.TB, store *bolt.Store, key string) string {
	t.Helper()
	value, err := store.Record(t.Context(), key)
	ok(t, err)
	return string(value)
}

// TestRecordsShareFlushes has calls wait while another is written: they go into
// one transaction, and a conflict of some concerns no other.
func TestRecordsShareFlushes(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store := open(t, path, bolt.Options{Clock: noon, Hook: g.hook})
		g.arm()
		var all sync.WaitGroup
		all.Go(func() { ok(t, store.ChangeRecords(t.Context(), added("a/first", "1"))) })
		g.wait()
		conflicts := make(chan int, 64)
		for i := range 64 {
			all.Go(func() {
				_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 99)})
				ok(t, err)
			})
			all.Go(func() {
				// The first of each four is first; the others find its record.
				err := store.ChangeRecords(t.Context(), added(fmt.Sprint("b/", i), ""), added(fmt.Sprint("a/", i/4), strconv.Itoa(i)))
				if errors.Is(err, rules.ErrConflict) {
					conflicts <- i
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		g.open()
		all.Wait()
		if n := g.commits.Load(); n != 2 {
			t.Errorf("%d transactions for 129 changes", n)
		}
		close(conflicts)
		lost := make(map[int]bool)
		for i := range conflicts {
			lost[i] = true
		}
		if len(lost) != 48 {
			t.Errorf("%d conflicts of 48", len(lost))
		}
		for i := range 64 {
			value, err := store.Record(t.Context(), fmt.Sprint("b/", i))
			if err != nil || (value == nil) != lost[i] {
				t.Errorf("call %d, a conflict: %v, left %q: %v", i, lost[i], value, err)
			}
			if won := record(t, store, fmt.Sprint("a/", i/4)); (won == strconv.Itoa(i)) == lost[i] {
				t.Errorf("call %d, a conflict: %v, and call %s won", i, lost[i], won)
			}
		}
	})
}

// TestRecordChecks writes nothing for calls that only check, or find a conflict.
func TestRecordChecks(t *testing.T) {
	g := newGate()
	store := open(t, newFile(t), bolt.Options{Hook: g.hook})
	ok(t, store.ChangeRecords(t.Context(), added("a/1", "1")))
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", Old: []byte("1"), New: []byte("1")}, rules.Change{Key: "a/2"}))
	if err := store.ChangeRecords(t.Context(), added("a/1", "1")); !errors.Is(err, rules.ErrConflict) {
		t.Error(err)
	}
	if n := g.commits.Load(); n != 1 {
		t.Errorf("%d transactions for one change", n)
	}
}

// TestRecordsAbandoned ends the context of who waits: what was not begun is never
// made, and what was is made before anyone reads again.
func TestRecordsAbandoned(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store := open(t, path, bolt.Options{Hook: g.hook})
		g.arm()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		abandon := func(key string) {
			all.Go(func() {
				change := added(key, "1")
				if err := store.ChangeRecords(ctx, change); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", key, err)
				}
				change.New[0] = 'x' // it is the caller's again
			})
		}
		abandon("a/written")
		g.wait()
		if value := record(t, store, "a/written"); value != "" {
			t.Errorf("%q is read before it is durable", value)
		}
		abandon("a/queued")
		synctest.Wait()
		cancel()
		all.Wait()

		var read atomic.Int64
		all.Go(func() {
			if value := record(t, store, "a/written"); value != "1" {
				t.Errorf("what was being written is read as %q", value)
			}
			read.Add(1)
		})
		synctest.Wait()
		all.Go(func() {
			ok(t, store.EachRecord(t.Context(), "", func(key string, _ []byte) error {
				if read.Add(1); key != "a/written" {
					t.Errorf("%q is made", key)
				}
				return nil
			}))
		})
		impatient, leave := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := store.Record(impatient, "a/written"); !errors.Is(err, context.Canceled) {
				t.Errorf("read by one who left: %v", err)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		if read.Load() != 0 {
			t.Error("it is told before it is known")
		}
		g.open()
		all.Wait()
		if n := read.Load(); n != 2 {
			t.Errorf("%d were read", n)
		}
		ok(t, store.ChangeRecords(t.Context(), added("a/queued", "2")))
	})
}

// TestRecordsWaiting bounds what waits for the disk, and lets it go.
func TestRecordsWaiting(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store := open(t, path, bolt.Options{Hook: g.hook})
		large := string(make([]byte, rules.MaxRecordValue))
		heavy := func(n int) []rules.Change { // 14 MiB and some
			var changes []rules.Change
			for i := range 7 {
				changes = append(changes, added(fmt.Sprint("a/", n, "/", i), large))
			}
			return changes
		}
		for round := range 2 {
			g.arm()
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() { ok(t, store.ChangeRecords(t.Context(), added(fmt.Sprint("b/", round), ""))) })
			g.wait()
			for i := range 4 {
				all.Go(func() { _ = store.ChangeRecords(ctx, heavy(4*round+i)...) })
			}
			synctest.Wait()
			var busy *bolt.BusyError
			if err := store.ChangeRecords(t.Context(), heavy(9)...); !errors.As(err, &busy) {
				t.Errorf("70 MiB wait: %v", err)
			}
			all.Go(func() { ok(t, store.ChangeRecords(t.Context(), added(fmt.Sprint("c/", round), ""))) })
			synctest.Wait()
			if round == 0 { // those that go make room at once
				cancel()
				synctest.Wait()
				all.Go(func() { ok(t, store.ChangeRecords(t.Context(), heavy(8)...)) })
				synctest.Wait()
			}
			g.open()
			all.Wait()
			cancel()
		}
		ok(t, store.ChangeRecords(t.Context(), heavy(9)...))
	})
	if summary := inspect(t, path); summary.Records[0].Records != 6*7 {
		t.Errorf("%v", summary.Records)
	}
}

// TestRecordBoundsReopened counts what an earlier run left.
func TestRecordBoundsReopened(t *testing.T) {
	path := newFile(t)
	bounded := bolt.Options{}.WithRecordBounds(2, 10)
	store := open(t, path, bounded)
	ok(t, store.ChangeRecords(t.Context(), added("a/1", "1"), added("a/2", "2")))
	ok(t, store.Close())
	store = open(t, path, bounded)
	for _, changes := range [][]rules.Change{{added("a/3", "")}, {{Key: "a/1", Old: []byte("1"), New: []byte("many")}}} {
		if err := store.ChangeRecords(t.Context(), changes...); !errors.Is(err, rules.ErrRecordsFull) {
			t.Errorf("%q: %v", changes, err)
		}
	}
	ok(t, store.ChangeRecords(t.Context(), added("a/3", "333"), rules.Change{Key: "a/1", Old: []byte("1")}))
	ok(t, store.Close())

	// Bounds that became less refuse what adds, and nothing else.
	store = open(t, path, bolt.Options{}.WithRecordBounds(1, 1))
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/3", Old: []byte("333"), New: []byte("222")}))
	if err := store.ChangeRecords(t.Context(), added("a/4", "")); !errors.Is(err, rules.ErrRecordsFull) {
		t.Error(err)
	}
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/3", Old: []byte("222")}))
}

// TestRecordsAfterCrash looks at what a crash before and after each of some
// transactions would leave: every call in whole or not at all, and all that had
// returned.
func TestRecordsAfterCrash(t *testing.T) {
	const clients, calls = 8, 12
	path := newFile(t)
	var mu sync.Mutex
	returned := [clients]int{} // calls
	type crash struct {
		file     []byte
		returned [clients]int
	}
	var crashes []crash
	store := open(t, path, bolt.Options{Hook: func(string) {
		mu.Lock()
		defer mu.Unlock()
		left, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		crashes = append(crashes, crash{left, returned})
	}})
	names := func(client int) [2]string { return [2]string{fmt.Sprint("a/", client), fmt.Sprint("b/", client)} }
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			var last []byte
			for call := range calls {
				next := bytes.Repeat(fmt.Append(nil, call+1, ";"), 400)
				var changes []rules.Change
				for _, key := range names(client) {
					changes = append(changes, rules.Change{Key: key, Old: last, New: next})
				}
				ok(t, store.ChangeRecords(t.Context(), changes...))
				last = next
				mu.Lock()
				returned[client]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(crashes) < 2*calls {
		t.Fatalf("%d crashes", len(crashes))
	}
	for i, c := range crashes {
		copied := filepath.Join(t.TempDir(), "crashed.db")
		ok(t, os.WriteFile(copied, c.file, 0o600))
		again, err := bolt.Open(t.Context(), copied, bolt.Options{})
		ok(t, err)
		for client := range clients {
			first, second := record(t, again, names(client)[0]), record(t, again, names(client)[1])
			number, _, _ := bytes.Cut([]byte(first), []byte(";"))
			n, _ := strconv.Atoi(string(number))
			if first != second || n < c.returned[client] || n > c.returned[client]+1 {
				t.Errorf("crash %d, client %d: %d and %.3q, after %d calls", i, client, n, second, c.returned[client])
			}
		}
		ok(t, again.Close())
	}
}

// TestRecordsSummary tells records by kind, and no value that is sealed or that
// was not asked for.
func TestRecordsSummary(t *testing.T) {
	path := newFile(t)
	store := open(t, path, bolt.Options{})
	ok(t, store.ChangeRecords(t.Context(), added("tx/1", "one"), added("tx/2", ""), added("sealed/1", "secret"), added("sealed", "open"), added("lone", "x")))
	ok(t, store.Close())
	summary := inspect(t, path)
	want := []bolt.RecordKind{{Kind: "lone", Records: 1, Bytes: 5}, {Kind: "sealed", Records: 2, Bytes: 24}, {Kind: "tx", Records: 2, Bytes: 11}}
	if !reflect.DeepEqual(summary.Records, want) {
		t.Errorf("%v, want %v", summary.Records, want)
	}
	if values := map[string]string{"tx/1": "one", "tx/2": "", "sealed": "open", "lone": "x"}; !reflect.DeepEqual(summary.RecordValues, values) {
		t.Errorf("values %v", summary.RecordValues)
	}
	unasked, err := bolt.Inspect(t.Context(), path, noon(), false)
	ok(t, err)
	if unasked.RecordValues != nil || len(unasked.Records) != 3 {
		t.Errorf("without asking: %v, %v", unasked.RecordValues, unasked.Records)
	}
}
