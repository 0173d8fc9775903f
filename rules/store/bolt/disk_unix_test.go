//go:build linux || darwin

package bolt_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

const diskFull = "KVCLEF_TEST_DISK_FULL"

// TestDiskFull runs in a process of its own, whose files may not grow.
func TestDiskFull(t *testing.T) {
	if os.Getenv(diskFull) != "" {
		fillDisk(t)
		return
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	command.Env = append(os.Environ(), diskFull+"=1")
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: TestDiskFull") {
		t.Fatalf("%v\n%s", err, output)
	}
}

// fillDisk has a write fail, with another on top of it, and goes on when there
// is room again.
func fillDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	path := newFile(t)
	g := newGate()
	store := open(t, path, bolt.Options{Clock: noon, Hook: g.hook})
	put(t, store, "key", "old")
	put(t, store, "other", "old")
	ok(t, store.ChangeRecords(t.Context(), added("a/1", "old")))
	held, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	info, err := os.Stat(path)
	ok(t, err)
	setLimit(t, uint64(info.Size()))

	// The first fails, and the hold with it.
	large := strings.Repeat("large", 200_000)
	first, err := store.Begin(t.Context())
	ok(t, err)
	ok(t, first.Put("key", large))
	ok(t, first.Put("more", large))
	g.arm()
	var all sync.WaitGroup
	toLarge := rules.Change{Key: "a/1", Old: []byte("old"), New: []byte(large)}
	all.Go(func() {
		if err := first.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), syscall.EFBIG.Error()) {
			t.Errorf("a value that does not fit: %v", err)
		}
	})
	g.wait()

	// The second sees the first, which then fails.
	second, err := store.Begin(t.Context())
	ok(t, err)
	if value, err := second.Get("key"); value != large || err != nil {
		t.Errorf("%.20q, %v", value, err)
	}
	ok(t, second.Put("second", "1"))
	all.Go(func() {
		if err := second.Commit(t.Context()); err == nil {
			t.Error("what was built on a failure stands")
		}
	})
	third, err := store.Begin(t.Context())
	ok(t, err)
	g.open()
	all.Wait()
	if value, err := third.Get("other"); err == nil {
		t.Errorf("what began on a failure goes on: %q", value)
	}
	if err := third.Commit(t.Context()); err == nil {
		t.Error("what began on a failure, and put nothing, stands")
	}

	// Records that do not fit are as they were, and what fails with them is not a
	// conflict.
	if err := store.ChangeRecords(t.Context(), toLarge, added("a/2", "new")); err == nil || errors.Is(err, rules.ErrConflict) {
		t.Errorf("a record that does not fit: %v", err)
	}
	if value, more := record(t, store, "a/1"), record(t, store, "a/2"); value != "old" || more != "" {
		t.Errorf("records that failed are %.20q and %.20q", value, more)
	}
	ok(t, store.ChangeRecords(t.Context(), added("a/2", "small")))

	// What is small enough still works.
	for key, want := range map[string]string{"key": "old", "more": "", "second": ""} {
		if value := get(t, store, key); value != want {
			t.Errorf("%s is %.20q", key, value)
		}
	}
	put(t, store, "other", "new")
	ok(t, store.Release(t.Context(), held))

	// All of a batch that does not fit fails, and counts nothing.
	failed := 0
	for range 100 {
		charges := make([]rules.Charge, 64)
		for i := range charges {
			charges[i] = charge(strings.Repeat("c", 100+i), 1, 1_000)
		}
		if _, err := store.Hold(t.Context(), charges); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("holds have room on a full disk")
	}
	for _, counter := range inspect(t, path).Counters {
		if counter.Used.Uint64() != uint64(100-failed) {
			t.Errorf("%d are used after %d holds", counter.Used.Uint64(), 100-failed)
		}
	}

	// What failed takes no room of the storage.
	for i := range bolt.MaxBytes/(14<<20) + 2 {
		tx, err := store.Begin(t.Context())
		ok(t, err)
		for j := range 14 {
			ok(t, tx.Put(fmt.Sprint(i, j), strings.Repeat("v", bolt.MaxValue)))
		}
		if err := tx.Commit(t.Context()); err == nil {
			t.Fatal("14 MiB have room on a full disk")
		}
	}

	setLimit(t, math.MaxUint64)
	put(t, store, "key", large)
	ok(t, store.ChangeRecords(t.Context(), toLarge))
	_, err = store.Hold(t.Context(), []rules.Charge{charge("a", 9, 9)})
	ok(t, err)
	ok(t, store.Close())
	store = open(t, path, atNoon())
	if record(t, store, "a/1") != large || record(t, store, "a/2") != "small" || get(t, store, "key") != large || get(t, store, "other") != "new" {
		t.Error("something is lost")
	}
}

// TestCutOffWhileOpen takes away pages that are mapped: touching them is a
// fault, which must not end the process.
func TestCutOffWhileOpen(t *testing.T) {
	path := newFile(t)
	fill(t, path)
	store, err := bolt.Open(t.Context(), path, atNoon())
	ok(t, err)
	ok(t, os.Truncate(path, 2*page))
	tx, err := store.Begin(t.Context())
	ok(t, err)
	if value, err := tx.Get("key 001"); err == nil {
		t.Errorf("read from nowhere: %q", value)
	}
	tx.Rollback()
	for range 2 {
		if _, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)}); err == nil {
			t.Error("held where nothing is left")
		}
	}
	if err := store.Close(); !errors.Is(err, bolt.ErrBroken) {
		t.Errorf("closing: %v", err)
	}
}

func setLimit(t *testing.T, size uint64) {
	t.Helper()
	var limit syscall.Rlimit
	ok(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	limit.Cur = min(size, limit.Max)
	ok(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
}

// TestPipe checks that a pipe, which nobody writes to, keeps nobody waiting.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	ok(t, syscall.Mkfifo(path, 0o600))
	if _, err := bolt.Open(t.Context(), path, atNoon()); !errors.Is(err, bolt.ErrForeign) {
		t.Errorf("opened: %v", err)
	}
	if _, err := bolt.Inspect(t.Context(), path, noon(), false); !errors.Is(err, bolt.ErrForeign) {
		t.Errorf("inspected: %v", err)
	}
}
