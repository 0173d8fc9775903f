package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

// TestSharedFlush checks that what comes while a transaction is flushed goes
// into one other, and that each of it sees what came before.
func TestSharedFlush(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store := open(t, path, bolt.Options{Clock: noon, Hook: g.hook})
		g.arm()
		var all sync.WaitGroup
		all.Go(func() { put(t, store, "first", "1") })
		g.wait()
		over := make(chan error, 64)
		for i := range 64 {
			all.Go(func() { put(t, store, fmt.Sprint("key ", i), get(t, store, "first")) })
			all.Go(func() {
				_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 40)})
				over <- err
			})
		}
		synctest.Wait()
		g.open()
		all.Wait()
		if n := g.commits.Load(); n != 2 {
			t.Errorf("%d transactions for 129 changes", n)
		}
		refused := 0
		for range 64 {
			if <-over != nil {
				refused++
			}
		}
		if refused != 24 {
			t.Errorf("40 may be held, and %d of 64 were refused", refused)
		}
	})
	if summary := inspect(t, path); summary.Keys != 65 || summary.Values["key 63"] != "1" {
		t.Errorf("%d keys; %q", summary.Keys, summary.Values["key 63"])
	}
}

// TestCommitsAreLazy checks that the commit of a hold costs no flush when
// another hold follows, and is written soon if none does.
func TestCommitsAreLazy(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		written := make(chan struct{}, 8)
		store := open(t, path, bolt.Options{Clock: noon, Hook: func(point string) {
			g.hook(point)
			if point == "store.after-commit" {
				written <- struct{}{}
			}
		}})
		for range 5 {
			id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
			ok(t, err)
			<-written
			ok(t, store.Commit(t.Context(), id))
			synctest.Wait()
		}
		if n := g.commits.Load(); n != 5 || len(inspect(t, path).Holds) != 1 {
			t.Errorf("%d transactions for 5 holds; %d are not settled", n, len(inspect(t, path).Holds))
		}
		<-written
		if left := len(inspect(t, path).Holds); left != 0 {
			t.Errorf("%d are not settled after a while", left)
		}
	})
}

// TestReadsAreDurable checks that a transaction that only read waits for what
// it read to be durable.
func TestReadsAreDurable(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store := open(t, path, bolt.Options{Hook: g.hook})
		g.arm()
		var all sync.WaitGroup
		all.Go(func() { put(t, store, "a", "1") })
		g.wait()
		tx, err := store.Begin(t.Context())
		ok(t, err)
		if value, err := tx.Get("a"); value != "1" || err != nil {
			t.Errorf("%q, %v", value, err)
		}
		done := false
		all.Go(func() { ok(t, tx.Commit(t.Context())); done = true })
		synctest.Wait()
		if done {
			t.Error("it has ended before what it read is durable")
		}
		g.open()
		all.Wait()
		if n := g.commits.Load(); n != 1 {
			t.Errorf("%d transactions for one change", n)
		}
	})
}

// TestAbandoned ends the context of those who wait for the disk.
func TestAbandoned(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store := open(t, path, bolt.Options{Clock: noon, Hook: g.hook})
		kept, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 40)})
		ok(t, err)
		g.arm()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		abandon := func(what string, call func() error) {
			all.Go(func() {
				if err := call(); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		hold := func() error {
			_, err := store.Hold(ctx, []rules.Charge{charge("a", 2, 40)})
			return err
		}
		abandon("a hold being flushed", hold)
		g.wait()
		abandon("a hold in the queue", hold)
		abandon("a release", func() error { return store.Release(ctx, kept) })
		abandon("an attestation", func() error { return store.Attest(ctx, rules.Attestation{File: "abandoned"}) })
		tx, err := store.Begin(t.Context())
		ok(t, err)
		ok(t, tx.Put("a", "1"))
		abandon("a commit", func() error { return tx.Commit(ctx) })
		synctest.Wait()
		cancel()
		all.Wait()
		g.open()

		ok(t, store.Attest(t.Context(), rules.Attestation{File: "last"})) // after it, or with it, the hold is given back
		_, err = store.Hold(t.Context(), []rules.Charge{charge("a", 40, 40)})
		ok(t, err)
		if value := get(t, store, "a"); value != "1" {
			t.Errorf("a commit that was abandoned is lost: %q", value)
		}
		if err := store.Release(t.Context(), kept); !errors.Is(err, bolt.ErrNoHold) {
			t.Errorf("released twice: %v", err)
		}
	})
}

// TestAbandonedBefore has more holds that nobody waits for any more in front of
// one than a transaction takes: it is written all the same, and so is what waits
// when the store is closed.
func TestAbandonedBefore(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store := open(t, path, bolt.Options{Clock: noon, Hook: g.hook})
		abandoned := func() *sync.WaitGroup {
			ctx, cancel := context.WithCancel(t.Context())
			waiting := new(sync.WaitGroup)
			g.arm()
			waiting.Go(func() { ok(t, store.Attest(t.Context(), rules.Attestation{File: "slow"})) })
			g.wait()
			for range 3000 {
				waiting.Go(func() { _, _ = store.Hold(ctx, []rules.Charge{charge("a", 1, 1<<20)}) })
			}
			synctest.Wait()
			cancel()
			synctest.Wait()
			return waiting
		}
		before := abandoned()
		before.Go(func() {
			live, done := context.WithTimeout(t.Context(), time.Minute)
			defer done()
			if _, err := store.Hold(live, []rules.Charge{charge("a", 1, 1<<20)}); err != nil {
				t.Errorf("behind holds that nobody waits for: %v", err)
			}
		})
		synctest.Wait()
		g.open()
		before.Wait()

		before = abandoned()
		closed := make(chan error, 1)
		go func() { closed <- store.Close() }()
		synctest.Wait()
		g.open()
		before.Wait()
		ok(t, <-closed)
	})
}

// TestQueuesAreBounded fills the queues: who comes then is told when to try again.
func TestQueuesAreBounded(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		store := open(t, path, bolt.Options{Clock: noon, Hook: g.hook})
		g.arm()
		var all sync.WaitGroup
		hold := func() (err error) {
			_, err = store.Hold(t.Context(), []rules.Charge{charge("a", 1, 1<<20)})
			return err
		}
		all.Go(func() { ok(t, hold()) })
		g.wait()
		tx, err := store.Begin(t.Context())
		ok(t, err)
		for range 4096 {
			all.Go(func() { ok(t, hold()) })
		}
		for range 1024 {
			all.Go(func() {
				tx, err := store.Begin(t.Context())
				ok(t, err)
				tx.Rollback()
			})
		}
		synctest.Wait()
		_, err = store.Begin(t.Context())
		for _, err := range []error{hold(), err} {
			var busy interface{ RetryAfter() time.Duration }
			if !errors.As(err, &busy) || busy.RetryAfter() <= 0 {
				t.Errorf("the queue is full: %v", err)
			}
		}
		tx.Rollback()
		g.open()
		all.Wait()
		ok(t, hold())
	})
}

// TestManyExpire takes off in small transactions what expired in great number.
func TestManyExpire(t *testing.T) {
	clock, g := storetest.NewClock(noon()), newGate()
	path := newFile(t)
	store := open(t, path, bolt.Options{Clock: clock.Now, Hook: g.hook})
	var all sync.WaitGroup
	for range 700 {
		charges := make([]rules.Charge, 64)
		for i := range charges {
			charges[i] = charge(fmt.Sprint("counter ", i), 1, 700)
		}
		all.Go(func() {
			_, err := store.Hold(t.Context(), charges)
			ok(t, err)
		})
	}
	all.Wait()
	clock.Advance(time.Hour)
	before := g.commits.Load()
	_, err := store.Hold(t.Context(), []rules.Charge{charge("counter 7", 700, 700)})
	ok(t, err)
	if n := g.commits.Load() - before; n != 3 {
		t.Errorf("%d transactions for 44,800 charges, of at most 16,384 each", n)
	}
	if summary := inspect(t, path); len(summary.Counters) != 1 || len(summary.Holds) != 1 {
		t.Errorf("%d counters and %d holds are left", len(summary.Counters), len(summary.Holds))
	}
}

// TestBackup backs up while the store is written.
func TestBackup(t *testing.T) {
	path := newFile(t)
	fill(t, path)
	store := open(t, path, atNoon())
	var enough atomic.Bool
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := 0; !enough.Load(); n++ {
				put(t, store, fmt.Sprint("key ", i), fmt.Sprint(n))
				_, err := store.Hold(t.Context(), []rules.Charge{charge(fmt.Sprint("counter ", n), 1, 1)})
				var over *rules.OverLimitError
				if err != nil && !errors.As(err, &over) {
					t.Error(err)
				}
			}
		})
	}
	for i := range 20 {
		var copied bytes.Buffer
		_, err := store.Backup(&copied)
		ok(t, err)
		to := filepath.Join(t.TempDir(), fmt.Sprint(i))
		ok(t, os.WriteFile(to, copied.Bytes(), 0o600))
		if summary := inspect(t, to); summary.Keys < 251 || summary.ID == "" {
			t.Errorf("%d keys", summary.Keys)
		}
		ok(t, open(t, to, atNoon()).Close())

		// A store that is open can be looked into by anybody.
		if summary := inspect(t, path); summary.Keys < 251 {
			t.Errorf("%d keys", summary.Keys)
		}
	}
	enough.Store(true)
	all.Wait()
	if _, err := store.Backup(&fullWriter{}); err == nil || !strings.Contains(err.Error(), io.ErrShortWrite.Error()) {
		t.Errorf("the backup's disk is full: %v", err)
	}
	put(t, store, "after", "1")
}

// TestBackupIsWritten writes to copies of an even and of an odd transaction:
// each is opened again after one transaction, and after another.
func TestBackupIsWritten(t *testing.T) {
	path := newFile(t)
	store := open(t, path, atNoon())
	for i := range 4 {
		put(t, store, "key", fmt.Sprint(i))
		var copied bytes.Buffer
		_, err := store.Backup(&copied)
		ok(t, err)
		to := filepath.Join(t.TempDir(), "copy.db")
		ok(t, os.WriteFile(to, copied.Bytes(), 0o600))
		for n := range 3 {
			again := open(t, to, atNoon())
			if value := get(t, again, "key"); n == 0 && value != fmt.Sprint(i) {
				t.Errorf("%q, not %d", value, i)
			}
			put(t, again, "key", "later")
			ok(t, again.Close())
		}
	}
}

type fullWriter struct{}

func (*fullWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestUnknown makes a transaction durable and has the writer crash: nobody can
// know, so nothing more is accepted.
func TestUnknown(t *testing.T) {
	path := newFile(t)
	crash := false
	store, err := bolt.Open(t.Context(), path, bolt.Options{Clock: noon, Hook: func(point string) {
		if crash && point == "store.after-commit" {
			panic("the disk is on fire")
		}
	}})
	ok(t, err)
	id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	tx, err := store.Begin(t.Context())
	ok(t, err)
	crash = true
	if _, err := store.Hold(t.Context(), []rules.Charge{charge("a", 2, 9)}); err == nil {
		t.Error("held, and it may not have been")
	}
	crash = false

	ok(t, tx.Put("a", "1"))
	_, holdErr := store.Hold(t.Context(), []rules.Charge{charge("a", 4, 9)})
	_, beginErr := store.Begin(t.Context())
	_, backupErr := store.Backup(io.Discard)
	_, _, attestationErr := store.Attestation(t.Context(), rules.RuleFile)
	_, recordErr := store.Record(t.Context(), "a/1")
	for what, err := range map[string]error{
		"record": recordErr, "records": store.EachRecord(t.Context(), "", nil),
		"change": store.ChangeRecords(t.Context(), added("a/1", "1")),
		"commit": tx.Commit(t.Context()), "begin": beginErr, "hold": holdErr, "commit of a hold": store.Commit(t.Context(), id),
		"release": store.Release(t.Context(), id), "release again": store.Release(t.Context(), id), "attest": store.Attest(t.Context(), rules.Attestation{}),
		"backup": backupErr, "attestation": attestationErr, "close": store.Close(),
	} {
		if !errors.Is(err, bolt.ErrBroken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if used := inspect(t, path).Counters[0].Used.Uint64(); used != 3 {
		t.Errorf("%d are used: what may stand is not counted", used)
	}
}

// TestClockOutOfRange checks that nothing is held by a clock that was never set.
func TestClockOutOfRange(t *testing.T) {
	for _, now := range []time.Time{{}, time.Unix(0, 0), time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		store := open(t, newFile(t), bolt.Options{Clock: func() time.Time { return now }})
		if id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)}); err == nil || id != 0 {
			t.Errorf("%v: hold %d, %v", now, id, err)
		}
		put(t, store, "a", "1")
	}
}

func TestAttestation(t *testing.T) {
	path := newFile(t)
	store := open(t, path, bolt.Options{})
	if _, found, err := store.Attestation(t.Context(), rules.RuleFile); found || err != nil {
		t.Errorf("of an empty store: %v, %v", found, err)
	}
	for _, file := range []string{"first", "second"} {
		ok(t, store.Attest(t.Context(), rules.Attestation{SHA256: [32]byte{1}, File: file, Time: noon(), Signature: make([]byte, 65)}))
	}
	ok(t, store.Attest(t.Context(), rules.Attestation{Kind: rules.PolicyFile, SHA256: [32]byte{2}, File: "policy", Time: noon()}))
	if err := store.Attest(t.Context(), rules.Attestation{Kind: "spell", File: "third"}); err == nil {
		t.Error("of a kind that is not known")
	}
	if err := store.Attest(t.Context(), rules.Attestation{File: string(make([]byte, 1<<16))}); err == nil {
		t.Error("a name of 64 KiB is kept")
	}
	ok(t, store.Close())
	store = open(t, path, bolt.Options{})
	attestation, found, err := store.Attestation(t.Context(), rules.RuleFile)
	if !found || err != nil || attestation.File != "second" || attestation.SHA256 != [32]byte{1} || len(attestation.Signature) != 65 || !attestation.Time.Equal(noon()) {
		t.Errorf("%v, %v, %v", attestation, found, err)
	}
	policy, found, err := store.Attestation(t.Context(), rules.PolicyFile)
	if !found || err != nil || policy.File != "policy" || policy.SHA256 != [32]byte{2} {
		t.Errorf("%v, %v, %v", policy, found, err)
	}
	summary := inspect(t, path)
	if summary.Attestation == nil || summary.Attestation.File != "second" || summary.PolicyAttestation == nil || summary.PolicyAttestation.File != "policy" {
		t.Errorf("%v and %v", summary.Attestation, summary.PolicyAttestation)
	}
}
