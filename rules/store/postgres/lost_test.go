//go:build linux

package postgres_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// scalar asks a server for one value.
func scalar(t *testing.T, server *pgtest.Server, query string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	ok(t, err)
	defer conn.Close(t.Context()) // nothing is written
	ok(t, conn.QueryRow(t.Context(), query).Scan(&value))
	return value
}

// until waits for an answer.
func until(t *testing.T, server *pgtest.Server, query, want string) {
	t.Helper()
	for range 1000 {
		if scalar(t, server, query) == want {
			return
		}
		pause(t, 20*time.Millisecond)
	}
	t.Fatalf("%s is not %s", query, want)
}

// TestFailoverThatLoses: an asynchronous standby that misses the last thing that a replica
// made is not gone on with by that replica, although it knows greater ids of holds, and
// although another replica goes on with it first.
func TestFailoverThatLoses(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(store *postgres.Store) error{
		"holds": func(store *postgres.Store) error {
			for range 10 {
				if _, err := store.Hold(t.Context(), []rules.Charge{charge("daily", 10, 100)}); err != nil {
					return err
				}
			}
			return nil
		},
		"a record": func(store *postgres.Store) error {
			return store.ChangeRecords(t.Context(), rules.Change{Key: "a/2", New: []byte("2")})
		},
		"storage": func(store *postgres.Store) error { return put(t, store, "b") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := pgtest.Start(t)
			standby := primary.Standby(t)
			primary.Exec(t, "postgres", "ALTER SYSTEM RESET synchronous_standby_names")
			primary.Exec(t, "postgres", "SELECT pg_reload_conf()")
			p := newStoreAt(t, primary.DSN("postgres"))
			options := p.options()
			options.DSN = fmt.Sprintf("host=%s,%s port=%d,%d user=%s password=%s dbname=postgres target_session_attrs=read-write sslmode=disable",
				primary.Dir, standby.Dir, primary.Port, standby.Port, pgtest.User, pgtest.Password)
			options.Timeout = 5 * time.Second
			store := open(t, options)
			_, err := store.Hold(t.Context(), []rules.Charge{charge("warm", 1, 9)})
			ok(t, err)
			ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))
			ok(t, put(t, store, "a"))
			until(t, standby, "SELECT pg_last_wal_replay_lsn()::text", scalar(t, primary, "SELECT pg_current_wal_lsn()::text"))
			standby.Exec(t, "postgres", "ALTER SYSTEM SET primary_conninfo = 'host=/nowhere'")
			standby.Exec(t, "postgres", "SELECT pg_reload_conf()")
			until(t, standby, "SELECT count(*)::text FROM pg_stat_wal_receiver", "0")
			ok(t, do(store))
			primary.Kill()
			standby.Promote(t)

			options.Replica = "two"
			other := open(t, options)
			for range 40 {
				id, err := other.Hold(t.Context(), []rules.Charge{charge("other", 1, 99)})
				ok(t, err)
				ok(t, other.Release(t.Context(), id))
			}
			for range 4 {
				ok(t, other.ChangeRecords(t.Context(), rules.Change{Key: "a/3", New: []byte("3")}))
				ok(t, other.ChangeRecords(t.Context(), rules.Change{Key: "a/3", Old: []byte("3")}))
			}
			ok(t, put(t, other, "c"))
			for range 100 { // until it has connected
				if _, err = store.Hold(t.Context(), []rules.Charge{charge("daily", 10, 100)}); err == nil || errors.Is(err, postgres.ErrBroken) {
					break
				}
			}
			if !errors.Is(err, postgres.ErrBroken) {
				t.Errorf("after a failover that lost what it was told is durable: %v", err)
			}
		})
	}
}

func put(t *testing.T, store *postgres.Store, key string) error {
	t.Helper()
	tx, err := store.Begin(t.Context())
	if err != nil {
		return err
	}
	if err := tx.Put(key, "1"); err != nil {
		return err
	}
	return tx.Commit(t.Context())
}
