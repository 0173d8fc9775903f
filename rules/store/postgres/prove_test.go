//go:build linux

package postgres_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// refused fails a test in which a database is made a store in, or opened, whose locks are
// not to be had.
func refused(t *testing.T, p place, want string) {
	t.Helper()
	_, err := postgres.Migrate(t.Context(), p.dsn, p.schema+" more")
	store, openErr := postgres.Open(t.Context(), p.options())
	if openErr == nil {
		ok(t, store.Close())
	}
	for _, err := range []error{err, openErr} {
		if !errors.Is(err, postgres.ErrLocks) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant: %v, with %q", err, postgres.ErrLocks, want)
		}
	}
}

// TestPooled: a pooler that has another of the server's processes serve each transaction is
// found, whichever it takes, and however statements are sent.
func TestPooled(t *testing.T) {
	long(t)
	server := shared.Start(t)
	p := newStore(t)
	for name, lines := range map[string][]string{
		"statement":                      nil,
		"transaction":                    nil,
		"transaction, in turn":           {"server_round_robin = 1"},
		"transaction, one process":       {"default_pool_size = 1"},
		"transaction, which are cleared": {"server_reset_query = DISCARD ALL", "server_reset_query_always = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			mode, _, _ := strings.Cut(name, ",")
			bouncer := server.Bouncer(t, mode, lines...)
			for _, sent := range []string{"cache_statement", "exec", "simple_protocol"} {
				p.dsn = bouncer.DSN("postgres") + " default_query_exec_mode=" + sent
				refused(t, p, "session mode")
			}
		})
	}
}

// TestSessionPooled: behind a pooler in session mode all is as it is without.
func TestSessionPooled(t *testing.T) {
	p := newStore(t)
	p.dsn = shared.Start(t).Bouncer(t, "session").DSN("postgres")
	_, err := postgres.Migrate(t.Context(), p.dsn, p.schema)
	ok(t, err)
	stores := openSeveral(t, p, 2, nil)
	release, err := stores[0].Lock(t.Context(), "a")
	ok(t, err)
	got := make(chan func(), 1)
	go func() {
		release, err := stores[1].Lock(t.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		got <- release
	}()
	waits(t, shared.Start(t))
	select {
	case <-got:
		t.Error("two have a lock")
	default:
	}
	release()
	(<-got)()
	id, err := stores[0].Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	ok(t, stores[1].Commit(t.Context(), id))
}

// waits waits until somebody has a lock, and another waits at its door.
func waits(t *testing.T, server *pgtest.Server) {
	t.Helper()
	store := open(t, newStoreAt(t, server.DSN("postgres")).options())
	for {
		n, err := store.Count(t.Context(), "pg_locks WHERE locktype = 'advisory'")
		ok(t, err)
		if n > 1 {
			return
		}
		pause(t, 5*time.Millisecond)
	}
}

// TestNoLocks: a database that takes the functions of locks, and does nothing, is found.
func TestNoLocks(t *testing.T) {
	server := shared.Start(t)
	database := server.Database(t)
	server.Exec(t, database, `CREATE FUNCTION public.nothing(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'`)
	for name, functions := range map[string][]string{
		"all":             {"pg_advisory_lock(", "pg_try_advisory_lock(", "pg_advisory_xact_lock(", "pg_try_advisory_xact_lock_shared(", "pg_advisory_unlock("},
		"of sessions":     {"pg_advisory_lock(", "pg_try_advisory_lock(", "pg_advisory_unlock("},
		"taken":           {"pg_advisory_lock("},
		"tried":           {"pg_try_advisory_lock("},
		"of transactions": {"pg_advisory_xact_lock("},
	} {
		t.Run(name, func(t *testing.T) {
			p := newStoreAt(t, server.DSN(database))
			w := &wire{t: t, lead: func(int) *pgtest.Server { return server }, edit: func(sql []byte) []byte {
				for _, function := range functions {
					sql = bytes.ReplaceAll(sql, []byte(function), []byte("public.nothing("))
				}
				return bytes.ReplaceAll(sql, []byte("version()"), []byte("'CockroachDB CCL v25'::text"))
			}}
			w.listen()
			p.dsn = strings.ReplaceAll(w.dsn(), "dbname=postgres", "dbname="+database)
			refused(t, p, `calls itself "CockroachDB CCL v25`)
		})
	}
}

// TestLacking: a database that has not all functions, or not all settings, is told by its name.
func TestLacking(t *testing.T) {
	server := shared.Start(t)
	for _, lacks := range []string{"pg_advisory_lock(", "current_setting('fsync')"} {
		t.Run(lacks, func(t *testing.T) {
			p := newStore(t)
			w := &wire{t: t, lead: func(int) *pgtest.Server { return server }, edit: func(sql []byte) []byte {
				return bytes.ReplaceAll(bytes.ReplaceAll(sql, []byte(lacks), []byte(strings.Replace(lacks, "s", "no_", 1))),
					[]byte("version()"), []byte("'PostgreSQL 11.2-YB'::text"))
			}}
			w.listen()
			p.dsn = w.dsn()
			store, err := postgres.Open(t.Context(), p.options())
			if err == nil {
				t.Fatal(store.Close(), "it opens")
			}
			if !strings.Contains(err.Error(), `what calls itself "PostgreSQL 11.2-YB" lacks what kvclef needs of PostgreSQL 14 or newer: `) {
				t.Error(err)
			}
		})
	}
}
