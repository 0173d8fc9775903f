//go:build linux

package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// TestSeveralPoolers: two poolers in transaction mode behind one address have few clients
// each at the start, and give each a process of its own. No two replicas get a lock there.
func TestSeveralPoolers(t *testing.T) {
	long(t)
	server := shared.Start(t)
	for _, sent := range []string{"exec", "simple_protocol", "cache_statement"} {
		t.Run(sent, func(t *testing.T) {
			p := newStore(t)
			poolers := []*pgtest.Server{server.Bouncer(t, "transaction").At(), server.Bouncer(t, "transaction").At()}
			w := &wire{t: t, lead: func(n int) *pgtest.Server { return poolers[n%2] }}
			w.listen()
			p.dsn = w.dsn() + " default_query_exec_mode=" + sent
			var locked int
			for i := range 2 {
				options := p.options()
				options.Replica = fmt.Sprint("replica ", i)
				store, err := postgres.Open(t.Context(), options)
				if err == nil {
					defer func() { _ = store.Close() }()
					_, err = store.Lock(t.Context(), "x") // and keeps it
				}
				switch {
				case err == nil:
					locked++
				case !errors.Is(err, postgres.ErrLocks):
					t.Errorf("replica %d: %v, want %v", i, err, postgres.ErrLocks)
				}
			}
			if locked > 1 {
				t.Errorf("%d replicas have one lock", locked)
			}
		})
	}
}

// TestNotReset: a pooler in session mode that resets nothing would leave locks of one
// connection to the next.
func TestNotReset(t *testing.T) {
	p := newStore(t)
	p.dsn = shared.Start(t).Bouncer(t, "session", "server_reset_query =").DSN("postgres")
	for _, sent := range []string{"exec", "cache_statement"} {
		options := p.options()
		options.DSN += " default_query_exec_mode=" + sent
		var err error
		for range 2 {
			var store *postgres.Store
			if store, err = postgres.Open(t.Context(), options); err != nil {
				break
			}
			ok(t, store.Close())
		}
		if !errors.Is(err, postgres.ErrLocks) || !strings.Contains(err.Error(), "server_reset_query") {
			t.Errorf("%s: %v", sent, err)
		}
	}
}

// TestDamagedIsNoPooler: a table that is gone is told as that.
func TestDamagedIsNoPooler(t *testing.T) {
	server := shared.Start(t)
	p := newStore(t)
	server.Exec(t, "postgres", fmt.Sprintf("ALTER TABLE %q.records_size RENAME TO gone", p.schema))
	store, err := postgres.Open(t.Context(), p.options())
	if err == nil {
		ok(t, store.Close())
	}
	if err == nil || errors.Is(err, postgres.ErrLocks) || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "records_size") {
		t.Errorf("opened: %v", err)
	}
}

// TestNoColumns: an answer without a column is an error.
func TestNoColumns(t *testing.T) {
	p := newStore(t)
	server := shared.Start(t)
	w := &wire{t: t, lead: func(int) *pgtest.Server { return server }, edit: func(sql []byte) []byte {
		return bytes.ReplaceAll(sql, []byte("SELECT pg_backend_pid()\x00"), []byte("SELECT\x00"))
	}}
	w.listen()
	p.dsn = w.dsn()
	if _, err := postgres.Open(t.Context(), p.options()); err == nil || !strings.Contains(err.Error(), "no row") {
		t.Errorf("opened: %v", err)
	}
}
