//go:build linux

package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// long leaves out, where there is little time, a test of what has no part that runs by itself.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes long")
	}
}

// TestProofCutOff: a server that is lost at any moment of the opening is not taken for one
// that keeps no locks.
func TestProofCutOff(t *testing.T) {
	long(t)
	server := shared.Start(t)
	p := newStore(t)
	for n := int64(1); ; n++ {
		w := &wire{t: t, lead: func(int) *pgtest.Server { return server }, heed: func(said int64, end func()) bool {
			if said == n {
				end()
			}
			return true
		}}
		w.listen()
		p.dsn = w.dsn() + " default_query_exec_mode=simple_protocol" // with fewer messages
		store, err := postgres.Open(t.Context(), p.options())
		if err == nil {
			ok(t, store.Close())
			if n < 20 {
				t.Errorf("it opens with %d messages", n)
			}
			return
		}
		if errors.Is(err, postgres.ErrLocks) {
			t.Errorf("message %d: %v", n, err)
		}
	}
}

// TestProofStalled: a server that says nothing more from any moment of the opening keeps it
// no longer than the time limit, and is not taken for one that keeps no locks.
func TestProofStalled(t *testing.T) {
	long(t)
	server := shared.Start(t)
	p := newStore(t)
	var all sync.WaitGroup
	for n := int64(4); n <= 28; n += 3 {
		var late sync.Once
		w := &wire{t: t, lead: func(int) *pgtest.Server { return server }, heed: func(said int64, end func()) bool {
			if said >= n {
				late.Do(func() { time.AfterFunc(2*time.Second, end) }) // closing would wait longer
			}
			return said < n
		}}
		w.listen()
		all.Go(func() {
			options := p.options()
			options.DSN, options.Timeout = w.dsn()+" default_query_exec_mode=simple_protocol", 200*time.Millisecond
			store, err := postgres.Open(t.Context(), options)
			if err == nil {
				t.Error(n, "it opens: ", store.Close())
			}
			if errors.Is(err, postgres.ErrLocks) || !strings.Contains(fmt.Sprint(err), "deadline exceeded") {
				t.Errorf("message %d: %v", n, err)
			}
			if !strings.Contains(fmt.Sprint(err), "within 200ms") || !strings.Contains(fmt.Sprint(err), "store.postgres.timeout") {
				t.Errorf("message %d: the limit is not named: %v", n, err)
			}
		})
	}
	all.Wait()
}

// TestProofFromAfar: the time limit is that of a step. A database that is far from here has it for
// the connection, and for each of the statements.
func TestProofFromAfar(t *testing.T) {
	long(t)
	server := shared.Start(t)
	p := newStore(t)
	w := &wire{t: t, lead: func(int) *pgtest.Server { return server }, heed: func(int64, func()) bool {
		pause(t, 100*time.Millisecond)
		return true
	}}
	w.listen()
	options := p.options()
	options.DSN, options.Timeout = w.dsn()+" default_query_exec_mode=simple_protocol", 1500*time.Millisecond
	began := time.Now()
	ok(t, open(t, options).Close())
	if took := time.Since(began); took < 2*options.Timeout {
		t.Errorf("it takes %v, too little for the limit to matter", took)
	}
}

// TestProofAtOnce: replicas that start at the same time don't disturb each other.
func TestProofAtOnce(t *testing.T) {
	p := newStore(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			store, err := postgres.Open(t.Context(), p.options())
			if err != nil {
				t.Error(err)
				return
			}
			ok(t, store.Close())
		})
	}
	all.Wait()
}

// TestProofWithoutRoom: a server that has no second connection to give says so itself.
func TestProofWithoutRoom(t *testing.T) {
	server := shared.Start(t)
	p := newStore(t)
	server.Exec(t, "postgres", fmt.Sprintf(`CREATE ROLE narrow LOGIN PASSWORD 'narrow' CONNECTION LIMIT 1; GRANT USAGE ON SCHEMA %q TO narrow;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]q TO narrow; GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %[1]q TO narrow`, p.schema))
	t.Cleanup(func() { server.Exec(t, "postgres", "DROP OWNED BY narrow; DROP ROLE narrow") })
	p.dsn = strings.NewReplacer("user=kvclef", "user=narrow", pgtest.Password, "narrow").Replace(p.dsn)
	_, err := postgres.Migrate(t.Context(), p.dsn, p.schema)
	store, openErr := postgres.Open(t.Context(), p.options())
	for _, err := range []error{err, openErr} {
		if err == nil || errors.Is(err, postgres.ErrLocks) || !strings.Contains(err.Error(), "too many connections for role") {
			t.Errorf("%v, %v", store, err)
		}
	}
}

// TestProofAtTwoServers: of a failover, before which one connection was made and after which
// another, is told what it is.
func TestProofAtTwoServers(t *testing.T) {
	long(t)
	before, after := shared.Start(t), pgtest.Start(t)
	p := newStoreAt(t, before.DSN("postgres"))
	_, err := postgres.Migrate(t.Context(), after.DSN("postgres"), p.schema)
	ok(t, err)
	for _, server := range []*pgtest.Server{before, after} {
		server.Exec(t, "postgres", fmt.Sprintf("UPDATE %q.format SET id = 'one'", p.schema))
	}
	w := &wire{t: t, lead: func(n int) *pgtest.Server { return []*pgtest.Server{before, after}[n%2] }}
	w.listen()
	p.dsn = w.dsn()
	_, err = postgres.Migrate(t.Context(), p.dsn, p.schema)
	_, openErr := postgres.Open(t.Context(), p.options())
	for _, err := range []error{err, openErr} {
		if err == nil || errors.Is(err, postgres.ErrLocks) || !strings.Contains(err.Error(), "different servers") {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestMovedLater: a connection that is made later, and does not stay with one process of
// the server, is not used.
func TestMovedLater(t *testing.T) {
	server := shared.Start(t)
	p := newStore(t)
	var moving atomic.Bool
	w := &wire{t: t, lead: func(int) *pgtest.Server { return server }, edit: func(sql []byte) []byte {
		if moving.Load() {
			return bytes.ReplaceAll(sql, []byte("pg_backend_pid(), set_config("), []byte("1, set_config("))
		}
		return sql
	}}
	w.listen()
	p.dsn = w.dsn()
	store := open(t, p.options())
	moving.Store(true)
	if _, err := store.Lock(t.Context(), "a"); err != nil {
		t.Fatal(err) // the connection is there
	}
	if _, err := store.Begin(t.Context()); !errors.Is(err, postgres.ErrLocks) || !strings.Contains(err.Error(), "and then by 1, as behind a pooler") {
		t.Errorf("the error is %v", err)
	}
}

// TestLockGone: a lock that is not there when it is given back, though its connection is, ends
// all: another may have had it at the same time.
func TestLockGone(t *testing.T) {
	t.Run("of a name", func(t *testing.T) {
		lockGone(t, "o.lock", func(store *postgres.Store) {
			release, err := store.Lock(t.Context(), "a")
			ok(t, err)
			release()
		})
	})
	t.Run("the storage's", func(t *testing.T) {
		lockGone(t, "$1", func(store *postgres.Store) {
			tx, err := store.Begin(t.Context())
			ok(t, err)
			tx.Rollback()
		})
	})
}

func lockGone(t *testing.T, lock string, use func(store *postgres.Store)) {
	server := shared.Start(t)
	p := newStore(t)
	var gone atomic.Bool
	w := &wire{t: t, lead: func(int) *pgtest.Server { return server }, edit: func(sql []byte) []byte {
		if gone.Load() {
			return bytes.ReplaceAll(sql, []byte("pg_advisory_unlock("+lock+")"), []byte("pg_advisory_unlock("+lock+"::bigint + 1)"))
		}
		return sql
	}}
	w.listen()
	p.dsn = w.dsn() + " default_query_exec_mode=exec"
	store := open(t, p.options())
	use(store)
	ok(t, store.Ping(t.Context()))
	gone.Store(true)
	use(store)
	if err := store.Ping(t.Context()); !errors.Is(err, postgres.ErrLockGone) {
		t.Errorf("asking says %v", err)
	}
	if _, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)}); !errors.Is(err, postgres.ErrLockGone) {
		t.Errorf("holding says %v", err)
	}
	if tx, err := store.Begin(t.Context()); !errors.Is(err, postgres.ErrLockGone) {
		t.Errorf("beginning says %v, %v", tx, err)
	}
}
