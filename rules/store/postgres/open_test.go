//go:build linux

package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

func TestOpenRefuses(t *testing.T) {
	server := shared.Start(t)
	for name, story := range map[string]struct {
		change func(p *place) string // statements, in the schema
		want   error
		remedy string
	}{
		"missing": {func(p *place) string { p.schema = "none"; return "" }, postgres.ErrMissing, "kvclef init"},
		"empty": {func(p *place) string {
			p.schema += " empty"
			return fmt.Sprintf(`CREATE SCHEMA %q`, p.schema)
		}, postgres.ErrMissing, "kvclef init"},
		"another's": {func(p *place) string {
			p.schema += " foreign"
			return fmt.Sprintf(`CREATE SCHEMA %q; CREATE TABLE %q.theirs (a int)`, p.schema, p.schema)
		}, postgres.ErrForeign, "another schema"},
		"another's format": {func(*place) string { return `UPDATE format SET format = 'other'` }, postgres.ErrForeign, "another schema"},
		"another's table":  {func(*place) string { return `ALTER TABLE format RENAME format TO mime` }, postgres.ErrForeign, "another schema"},
		"no format":        {func(*place) string { return `DELETE FROM format` }, postgres.ErrForeign, "another schema"},
		"older":            {func(*place) string { return `UPDATE format SET version = 0` }, postgres.ErrOlder, "kvclef init"},
		"newer":            {func(*place) string { return `UPDATE format SET version = 99` }, postgres.ErrNewer, "use a newer kvclef"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newStore(t)
			schema := p.schema
			server.Exec(t, "postgres", fmt.Sprintf("SET search_path = %q; ", schema)+story.change(&p))
			store, err := postgres.Open(t.Context(), p.options())
			if err == nil {
				t.Fatal(store.Close(), "it opens")
			}
			if !errors.Is(err, story.want) || !strings.Contains(err.Error(), story.remedy) || !strings.Contains(err.Error(), p.schema) {
				t.Errorf("%v\nwant: %v, with the schema and %q", err, story.want, story.remedy)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	good := postgres.Options{DSN: "host=/nowhere", Replica: "one"}
	for name, change := range map[string]func(o *postgres.Options){
		"no DSN":        func(o *postgres.Options) { o.DSN = " " },
		"no replica":    func(o *postgres.Options) { o.Replica = "" },
		"long replica":  func(o *postgres.Options) { o.Replica = strings.Repeat("r", 129) },
		"odd replica":   func(o *postgres.Options) { o.Replica = "a\nb" },
		"long schema":   func(o *postgres.Options) { o.Schema = strings.Repeat("s", 64) },
		"system schema": func(o *postgres.Options) { o.Schema = "pg_catalog" },
		"few":           func(o *postgres.Options) { o.Conns = 1 },
		"no time":       func(o *postgres.Options) { o.Timeout = -1 },
		"nowhere":       func(*postgres.Options) {},
	} {
		options := good
		change(&options)
		if store, err := postgres.Open(t.Context(), options); err == nil {
			t.Error(name, store.Close())
		}
	}
}

// TestUnsafe refuses a server that forgets, and warns of one that may be damaged.
func TestUnsafe(t *testing.T) {
	server := pgtest.Start(t)
	p := newStoreAt(t, server.DSN("postgres"))
	server.Exec(t, "postgres", "ALTER SYSTEM SET full_page_writes = off; ")
	server.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_commit = off; ")
	server.Exec(t, "postgres", "ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'")
	server.Stop()
	ok(t, server.Start(t.Context()))
	store, err := postgres.Open(t.Context(), p.options())
	ok(t, err)
	if w := store.Warnings(); len(w) != 1 || !strings.Contains(w[0], "full_page_writes") {
		t.Errorf("warnings %q", w)
	}
	if set, err := store.Setting(t.Context(), "synchronous_commit"); err != nil || set != "on" {
		t.Errorf("synchronous_commit is %q, %v", set, err)
	}
	if set, err := store.Setting(t.Context(), "transaction_isolation"); err != nil || set != "read committed" {
		t.Errorf("the isolation is %q, %v", set, err)
	}
	ok(t, store.Close())
	server.Exec(t, "postgres", "ALTER SYSTEM SET fsync = off")
	server.Stop()
	ok(t, server.Start(t.Context()))
	if store, err := postgres.Open(t.Context(), p.options()); !errors.Is(err, postgres.ErrUnsafe) {
		t.Errorf("%v, %v", store, err)
	}
}

// TestSecret shows a password in no error, no log and no warning.
func TestSecret(t *testing.T) {
	const secret = "hunter#2/:@ %zz&"
	server := shared.Start(t)
	quoted := "'" + secret + "'"
	var log bytes.Buffer
	for _, dsn := range []string{
		fmt.Sprintf("host=127.0.0.1 port=%d user=kvclef password=%s dbname=postgres sslmode=disable", server.Port, quoted),
		"host=127.0.0.1 port=1 user=kvclef dbname=postgres password=" + quoted,
		"host=127.0.0.1 port=no user=kvclef dbname=postgres password=" + quoted,
		"postgres://kvclef:" + secret + "@127.0.0.1/postgres",
		"postgres://kvclef:hunter#2@127.0.0.1/postgres",
		"postgres://kvclef:hunter2/x@127.0.0.1/postgres",
		"password=" + secret,
		"sslmode=odd password=" + quoted,
		"host=db.example.invalid sslmode=require user=kvclef password=" + quoted,
	} {
		_, err := postgres.Open(t.Context(), postgres.Options{
			DSN: dsn, Replica: "one", Timeout: 2 * time.Second,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		_, migrateErr := postgres.Migrate(t.Context(), dsn, "")
		for _, err := range []error{err, migrateErr} {
			if err == nil {
				t.Fatal("it opens")
			}
			if text := err.Error(); strings.Contains(text, "hunter") || strings.Contains(text, "zz&") {
				t.Errorf("%s", text)
			}
		}
	}
	if strings.Contains(log.String(), "hunter") {
		t.Error(log.String())
	}
	options := newStore(t).options()
	options.DSN = server.TCP("postgres")
	store := open(t, options)
	if strings.Contains(store.Place()+fmt.Sprint(store.Warnings()), pgtest.Password) {
		t.Error(store.Place(), store.Warnings())
	}
	if w := store.Warnings(); len(w) > 0 {
		t.Errorf("loopback: %q", w)
	}
}

func TestWarnings(t *testing.T) {
	for dsn, n := range map[string]int{
		"host=db sslmode=disable":                                   1,
		"host=db sslmode=prefer":                                    1,
		"host=db sslmode=require":                                   1,
		"host=db,10.0.0.1 sslmode=require":                          2,
		"host=db sslmode=verify-full":                               0,
		"host=/run/postgresql":                                      0,
		"host=127.0.0.1 sslmode=disable":                            0,
		"host=::1 sslmode=disable":                                  0,
		"postgres://db.example.com/kvclef?sslmode=verify-full":      0,
		"postgres://localhost.example.com/kvclef?sslmode=allow":     1,
		"postgres://127.0.0.1,db.example.com/kvclef?sslmode=prefer": 1,
	} {
		got, err := postgres.WarningsOf(dsn)
		if err != nil || len(got) != n {
			t.Errorf("%s: %q, %v; want %d", dsn, got, err, n)
		}
	}
}

// TestMigrate has several make the same store at once.
func TestMigrate(t *testing.T) {
	server := shared.Start(t)
	dsn := server.DSN(server.Database(t))
	var all sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 4 {
		all.Go(func() {
			m, err := postgres.Migrate(t.Context(), dsn, "")
			if err != nil || m.To != postgres.Version {
				t.Errorf("%+v, %v", m, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if m.From == 0 {
				made++
			}
		})
	}
	all.Wait()
	if made != 1 {
		t.Errorf("the store was made %d times", made)
	}
	open(t, postgres.Options{DSN: dsn, Replica: "one"})
}

// TestRole has a role that may do no more than docs/postgres.md grants.
func TestRole(t *testing.T) {
	server := shared.Start(t)
	database := server.Database(t)
	_, err := postgres.Migrate(t.Context(), server.DSN(database), "")
	ok(t, err)
	server.Exec(t, database, "CREATE ROLE app LOGIN PASSWORD 'app'; GRANT USAGE ON SCHEMA kvclef TO app; GRANT SELECT ON ALL TABLES IN SCHEMA kvclef TO app")
	t.Cleanup(func() { server.Exec(t, database, "DROP OWNED BY app; DROP ROLE app") })
	options := postgres.Options{DSN: strings.NewReplacer("user=kvclef", "user=app", pgtest.Password, "app").Replace(server.DSN(database)), Replica: "one"}
	if store, err := postgres.Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "charges") || !strings.Contains(err.Error(), "grant") {
		t.Fatalf("%v, %v", store, err)
	}
	server.Exec(t, database, grants)
	store := open(t, options)
	id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	ok(t, store.Commit(t.Context(), id))
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte{1}}))
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", Old: []byte{1}}))
	ok(t, store.Attest(t.Context(), rules.Attestation{Time: time.Now().UTC()}))
	ok(t, store.KeepLogHead(t.Context(), postgres.LogHead{Log: "/log", Seq: 1, Hash: "00", Time: time.Now().UTC()}))
	tx, err := store.Begin(t.Context())
	ok(t, err)
	ok(t, tx.Put("a", "1"))
	ok(t, tx.Commit(t.Context()))
	ok(t, store.SweepOnce())
	_, err = store.Summary(t.Context(), true)
	ok(t, err)
	if _, err := postgres.Migrate(context.WithoutCancel(t.Context()), options.DSN, "other"); err == nil {
		t.Error("the role makes schemas")
	}
}

// TestFunctions has a server that lets nobody execute functions unless it is granted: a role that
// may not is told so at the start.
func TestFunctions(t *testing.T) {
	server := shared.Start(t)
	database := server.Database(t)
	server.Exec(t, database, "CREATE ROLE app LOGIN PASSWORD 'app'; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
	t.Cleanup(func() {
		server.Exec(t, database, "DROP OWNED BY app; DROP ROLE app; ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
	})
	_, err := postgres.Migrate(t.Context(), server.DSN(database), "")
	ok(t, err)
	before, execute, _ := strings.Cut(grants, "GRANT EXECUTE")
	server.Exec(t, database, before)
	options := postgres.Options{DSN: strings.NewReplacer("user=kvclef", "user=app", pgtest.Password, "app").Replace(server.DSN(database)), Replica: "one"}
	if store, err := postgres.Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "may not use change(), enter(), expire(), hold(), ") || !strings.Contains(err.Error(), "grant") {
		t.Fatalf("%v, %v", store, err)
	}
	server.Exec(t, database, "GRANT EXECUTE"+execute)
	_, err = open(t, options).Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
}

// TestReloadedConfiguration: what the server's configuration becomes while a store is open
// does not make its commits less durable.
func TestReloadedConfiguration(t *testing.T) {
	server := pgtest.Start(t)
	p := newStoreAt(t, server.DSN("postgres"))
	store := open(t, p.options())
	ok(t, store.Ping(t.Context())) // it has a connection
	server.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_commit = off")
	server.Exec(t, "postgres", "ALTER SYSTEM SET work_mem = '12345kB'")
	server.Exec(t, "postgres", "SELECT pg_reload_conf()")
	for { // a connection hears of it soon
		value, err := store.Setting(t.Context(), "work_mem")
		ok(t, err)
		if value == "12345kB" {
			break
		}
	}
	for range 3 { // whichever connection it is
		if value, err := store.Setting(t.Context(), "synchronous_commit"); err != nil || value != "on" {
			t.Errorf("synchronous_commit is %q, %v", value, err)
		}
	}
}
