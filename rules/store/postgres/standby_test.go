//go:build linux

package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// cancelCommits has the server's commits wait for a standby no longer.
const cancelCommits = "SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

// TestWithoutItsStandby: a primary whose standby is lost commits nothing, and what an
// administrator has it commit all the same is not taken for durable. A store that is
// opened there says what may be wrong.
func TestWithoutItsStandby(t *testing.T) {
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	primary.Exec(t, "postgres", "ALTER DATABASE postgres SET client_min_messages = 'error'") // as if it warned of nothing
	p := newStoreAt(t, primary.DSN("postgres"))
	store := open(t, p.options())
	id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	standby.Kill()

	for name, call := range map[string]func(ctx context.Context) error{
		"holding": func(ctx context.Context) error {
			_, err := store.Hold(ctx, []rules.Charge{charge("b", 1, 9)})
			return err
		},
		"releasing": func(ctx context.Context) error { return store.Release(ctx, id) },
		"changing": func(ctx context.Context) error {
			return store.ChangeRecords(ctx, rules.Change{Key: "a/1", New: []byte("1")})
		},
		"storing": func(ctx context.Context) error {
			tx, err := store.Begin(ctx)
			if err != nil {
				return err
			}
			if err := tx.Put("a", "1"); err != nil {
				return err
			}
			return tx.Commit(ctx)
		},
		"making": func(ctx context.Context) error {
			_, err := postgres.Migrate(ctx, p.dsn, p.schema+" more")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			go func() { ended <- call(t.Context()) }()
			if err := cancelled(t, primary, ended); err == nil || !strings.Contains(err.Error(), "may have been done or not: the database warns: canceling wait for synchronous replication") {
				t.Errorf("the error is %v", err)
			}
		})
	}

	options := p.options()
	options.Replica, options.Timeout = "two", time.Second
	if _, err := postgres.Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "commits nothing within 1s: it may wait for a standby") {
		t.Errorf("opening says %v", err)
	}
	primary.Exec(t, "postgres", "ALTER SYSTEM RESET synchronous_standby_names")
	primary.Exec(t, "postgres", "SELECT pg_reload_conf()")
}

// TestWhatWasCancelledIsNotRead: a record that was changed by a commit that waits for its
// standby no longer is not read as one that is durable, until a standby has it.
func TestWhatWasCancelledIsNotRead(t *testing.T) {
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	p := newStoreAt(t, primary.DSN("postgres"))
	store := open(t, p.options())
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))
	standby.Kill()

	ended := make(chan error, 1)
	go func() {
		ended <- store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", Old: []byte("1"), New: []byte("2")})
	}()
	if err := cancelled(t, primary, ended); err == nil {
		t.Fatal("it was changed")
	}
	for name, read := range map[string]func() error{
		"one": func() error {
			_, err := store.Record(t.Context(), "a/1")
			return err
		},
		"each": func() error { return store.EachRecord(t.Context(), "a/", func(string, []byte) error { return nil }) },
		"since": func() error {
			_, err := store.RecordsSince(t.Context(), "a/", 0, func(string, []byte) error { return nil })
			return err
		},
	} {
		go func() { ended <- read() }()
		if err := cancelled(t, primary, ended); err == nil || !strings.Contains(err.Error(), "the database warns") {
			t.Errorf("reading %s says %v", name, err)
		}
	}
	primary.Exec(t, "postgres", "ALTER SYSTEM RESET synchronous_standby_names")
	primary.Exec(t, "postgres", "SELECT pg_reload_conf()")
	if value, err := store.Record(t.Context(), "a/1"); err != nil || string(value) != "2" {
		t.Errorf("%q, %v", value, err)
	}
}

// cancelled cancels what waits for a standby until a call has ended.
func cancelled(t *testing.T, server *pgtest.Server, ended <-chan error) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	ok(t, err)
	defer conn.Close(t.Context()) // nothing is written
	late := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var some bool
		ok(t, conn.QueryRow(t.Context(), cancelCommits).Scan(&some))
		select {
		case err := <-ended:
			return err
		case <-late:
			t.Fatal("it waits for something else")
		case <-tick.C:
		}
	}
}

// TestHarmlessWarnings: what has nothing to do with a commit does not keep from anything.
func TestHarmlessWarnings(t *testing.T) {
	server := shared.Start(t)
	p := newStore(t)
	server.Exec(t, "postgres", fmt.Sprintf(`SET search_path = %q;
		CREATE FUNCTION remark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'a row comes'; RETURN NEW; END $$;
		CREATE TRIGGER remarks BEFORE INSERT ON holds FOR EACH ROW EXECUTE FUNCTION remark()`, p.schema))
	store := open(t, p.options())
	id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	ok(t, store.Release(t.Context(), id))
	for routine, want := range map[string]bool{"GetNewTransactionId": true, "GetNewMultiXactId": true, "SyncRepWaitForLSN": false, "": false, "another": false} {
		if postgres.Harmless(routine) != want {
			t.Errorf("what %q warns of is harmless: %v", routine, !want)
		}
	}
}
