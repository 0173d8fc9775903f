//go:build linux

package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestWaitingKeepsNoSnapshot: who waits for a lock, however long, does not keep the database
// from clearing old rows away.
func TestWaitingKeepsNoSnapshot(t *testing.T) {
	p := newStore(t)
	stores := openSeveral(t, p, 2, nil)
	conn := inSchema(t, p)
	release, err := stores[0].Lock(t.Context(), "a")
	ok(t, err)
	tx, err := stores[0].Begin(t.Context())
	ok(t, err)
	var all sync.WaitGroup
	defer all.Wait()
	defer tx.Rollback()
	defer release()
	all.Go(func() {
		release, err := stores[1].Lock(t.Context(), "a")
		if err != nil {
			t.Error(err)
			return
		}
		release()
	})
	all.Go(func() {
		tx, err := stores[1].Begin(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		tx.Rollback()
	})
	const locks = ` FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'advisory' WHERE a.application_name LIKE 'kvclef/replica _ locks'`
	for number(t, conn, "SELECT count(*)"+locks) < 4 { // two locks, and who waits for each
		pause(t, 5*time.Millisecond)
	}
	for range 300 {
		_, err := conn.Exec(t.Context(), "SELECT txid_current()")
		ok(t, err)
	}
	if n := number(t, conn, "SELECT count(*)"+locks+" AND age(a.backend_xmin) > 200"); n > 0 {
		t.Errorf("%d keep a snapshot", n)
	}
}

// TestLocksTakeTurns: a process that always has somebody who waits for a lock does not keep
// another one waiting.
func TestLocksTakeTurns(t *testing.T) {
	stores := openSeveral(t, newStore(t), 3, nil)
	var had atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for range 4 {
		all.Go(func() {
			for {
				release, err := stores[0].Lock(ctx, "a")
				if err != nil {
					return
				}
				had.Add(1)
				pause(t, time.Millisecond)
				release()
			}
		})
	}
	for i := range 20 {
		for had.Load() == 0 {
			pause(t, time.Millisecond)
		}
		before := had.Load()
		release, err := stores[1+i%2].Lock(t.Context(), "a")
		ok(t, err)
		if n := had.Load() - before; n > 20 {
			t.Errorf("the other had it %d times meanwhile", n)
		}
		release()
	}
}

// TestLocksAreLostTogether: the connection that has the locks of a process ends. Others can
// have them, whoever waits for one gets it, and who had one may give it back.
func TestLocksAreLostTogether(t *testing.T) {
	server := shared.Start(t)
	stores := openSeveral(t, newStore(t), 2, nil)
	var releases []func()
	for _, name := range []string{"a", "b", "c"} {
		release, err := stores[0].Lock(t.Context(), name)
		ok(t, err)
		releases = append(releases, release)
	}
	waited := make(chan error)
	go func() { // in the same process
		release, err := stores[0].Lock(t.Context(), "a")
		if err == nil {
			release()
		}
		waited <- err
	}()
	server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'kvclef/replica 0 locks'")
	release, err := stores[1].Lock(t.Context(), "b")
	ok(t, err)
	other, err := stores[0].Lock(t.Context(), "d") // notices
	ok(t, err)
	ok(t, <-waited)
	for _, release := range releases {
		release()
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := stores[0].Lock(soon, "b"); err == nil {
		t.Error("two have a lock")
	}
	release()
	other()
	for _, name := range []string{"a", "b", "c", "d"} {
		for _, store := range stores {
			release, err := store.Lock(t.Context(), name)
			ok(t, err)
			release()
		}
	}
}

// TestLocksLeaveNothing has many wait and go, at any moment: nobody has a lock with another,
// and in the end the database has none.
func TestLocksLeaveNothing(t *testing.T) {
	p := newStore(t)
	stores := openSeveral(t, p, 3, nil)
	var inside [4]atomic.Int64
	var had atomic.Int64
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			for k := range 20 {
				room := (i + k) % len(inside)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(20_000))*time.Microsecond)
				release, err := stores[i%len(stores)].Lock(ctx, fmt.Sprint(room))
				if err == nil {
					if n := inside[room].Add(1); n != 1 {
						t.Errorf("%d have a lock", n)
					}
					had.Add(1)
					inside[room].Add(-1)
					release()
				}
				cancel()
			}
		})
	}
	all.Wait()
	t.Log(had.Load(), "times")
	for room := range inside {
		release, err := stores[0].Lock(t.Context(), fmt.Sprint(room))
		ok(t, err)
		release()
	}
	conn := inSchema(t, p)
	for range 1000 { // who has gone leaves the door a little later
		if number(t, conn, "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND a.application_name LIKE 'kvclef/replica _ locks'") == 0 {
			return
		}
		pause(t, 10*time.Millisecond)
	}
	t.Error("locks are left")
}
