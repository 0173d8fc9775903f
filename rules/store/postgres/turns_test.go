//go:build linux

package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// TestTurnsPassSoon: a lock by a name passes from process to process about as soon as the
// storage's does, also while many others are waited for that don't.
func TestTurnsPassSoon(t *testing.T) {
	for _, others := range []int{0, 20} {
		t.Run(fmt.Sprint(others, " others"), func(t *testing.T) {
			stores := openSeveral(t, newStore(t), 2, nil)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			defer all.Wait()
			defer cancel()
			for i := range others {
				release, err := stores[0].Lock(t.Context(), fmt.Sprint(i))
				ok(t, err)
				defer release()
				all.Go(func() {
					if release, err := stores[1].Lock(ctx, fmt.Sprint(i)); err == nil {
						release()
					}
				})
			}
			var named, storing atomic.Int64
			for _, store := range stores {
				all.Go(func() {
					take(ctx, t, &named, func() (func(), error) { return store.Lock(ctx, "turn") })
				})
				all.Go(func() {
					take(ctx, t, &storing, func() (func(), error) {
						tx, err := store.Begin(ctx)
						if err != nil {
							return nil, err
						}
						return tx.Rollback, nil
					})
				})
			}
			for storing.Load() < 200 && !t.Failed() {
				pause(t, time.Millisecond)
			}
			if n, of := named.Load(), storing.Load(); n < of*2/3 {
				t.Errorf("a lock by a name was had %d times, while the storage's was %d times", n, of)
			}
		})
	}
}

// take takes turns of a few milliseconds, and counts them.
func take(ctx context.Context, t *testing.T, had *atomic.Int64, lock func() (func(), error)) {
	for {
		release, err := lock()
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			return
		}
		had.Add(1)
		pause(t, 2*time.Millisecond)
		release()
	}
}

// faulty is a wire on which as many statements about locks fail as it is told.
type faulty struct {
	wire
	fail atomic.Int64
}

// listenFaulty makes such a wire; how is what takes the place of the number of a step.
func listenFaulty(t *testing.T, how string) *faulty {
	server := shared.Start(t)
	w := &faulty{wire: wire{t: t, lead: func(int) *pgtest.Server { return server }}}
	const part = "CASE o.step"
	w.edit = func(sql []byte) []byte {
		if !bytes.Contains(sql, []byte(part)) || w.fail.Add(-1) < 0 {
			return sql
		}
		return bytes.ReplaceAll(sql, []byte(part), []byte("CASE "+how))
	}
	w.listen()
	return w
}

// waitAll has several wait for locks that another process has, has a statement fail for as
// many times as it is told, gives them back, and returns what those were told who waited.
func waitAll(t *testing.T, w *faulty, fails int64, timeout time.Duration) (told []error) {
	t.Helper()
	p := newStore(t)
	holder := openSeveral(t, p, 1, nil)[0]
	options := p.options()
	options.DSN, options.Timeout = w.dsn()+" default_query_exec_mode=exec", timeout
	store := open(t, options)
	var releases []func()
	results := make(chan error, 3)
	mine, err := store.Lock(t.Context(), "mine") // which is lost
	ok(t, err)
	for i := range cap(results) {
		release, err := holder.Lock(t.Context(), fmt.Sprint(i))
		ok(t, err)
		releases = append(releases, release)
		go func() {
			release, err := store.Lock(t.Context(), fmt.Sprint(i))
			if err == nil {
				release()
			}
			results <- err
		}()
	}
	conn := inSchema(t, p)
	const locks = `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND a.application_name = 'kvclef/one locks'`
	for number(t, conn, locks) < 4 { // its own, and three doors
		pause(t, time.Millisecond)
	}
	w.fail.Store(fails)
	for w.fail.Load() > 0 && len(results) == 0 { // it is asked again all the time
		pause(t, time.Millisecond)
	}
	for _, release := range append(releases, mine) {
		release()
	}
	for range cap(results) {
		told = append(told, <-results)
	}
	return told
}

// TestLocksOutlastAStatement: one statement about locks that fails, however, refuses nobody
// who waits for one.
func TestLocksOutlastAStatement(t *testing.T) {
	for name, how := range map[string]string{
		"cancelled": "CASE WHEN pg_cancel_backend(pg_backend_pid()) AND pg_sleep(60) IS NOT NULL THEN 9 END",
		"refused":   "o.place / 0",
		"ended":     "CASE WHEN pg_terminate_backend(pg_backend_pid()) AND pg_sleep(60) IS NOT NULL THEN 9 END",
		"stalled":   "CASE WHEN pg_sleep(10) IS NOT NULL THEN 9 END", // longer than the time limit
	} {
		t.Run(name, func(t *testing.T) {
			w := listenFaulty(t, how)
			timeout := time.Minute
			if name == "stalled" {
				timeout = 2 * time.Second
			}
			for _, err := range waitAll(t, w, 1, timeout) {
				ok(t, err)
			}
		})
	}
}

// TestLocksThatFailAreTold: when the next statement fails as well, whoever waits is told why;
// and with the first that shows that the database keeps no locks.
func TestLocksThatFailAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		how   string
		fails int64
		want  string
	}{
		"twice": {"o.place / 0", 2, "division by zero"},
		"gone":  {"9", 1, postgres.ErrLockGone.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			w := listenFaulty(t, c.how)
			for _, err := range waitAll(t, w, c.fails, time.Minute) {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("the error is %v", err)
				}
			}
			if n := w.fail.Load(); n != 0 {
				t.Errorf("of %d statements that were to fail, %d were left when they were told", c.fails, n)
			}
		})
	}
}
