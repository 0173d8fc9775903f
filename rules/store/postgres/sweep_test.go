//go:build linux

package postgres_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules/store/postgres"
)

// inSchema is a connection that is in a store's schema.
func inSchema(t *testing.T, p place) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, conn.Close(context.WithoutCancel(t.Context()))) })
	_, err = conn.Exec(t.Context(), "SET synchronous_commit = off; SET search_path = "+pgx.Identifier{p.schema}.Sanitize())
	ok(t, err)
	return conn
}

// expired fills counters with charges that expired an hour ago.
func expired(t *testing.T, conn *pgx.Conn, counters, each int) {
	t.Helper()
	_, err := conn.Exec(t.Context(), fmt.Sprintf(`WITH made AS (
			INSERT INTO counters (name, total, charges) SELECT convert_to('spend/' || i, 'UTF8'), %[2]d, %[2]d FROM generate_series(1, %[1]d) i RETURNING id)
		INSERT INTO charges SELECT nextval('hold_id'), 0, m.id, CASE WHEN g %% 2 = 0 THEN '' ELSE decode(md5(g::text), 'hex') END, 1,
			(extract(epoch FROM now())::bigint - 3600) * 1000000000 + g
		FROM made m, generate_series(1, %[2]d) g`, counters, each))
	ok(t, err)
}

func number(t *testing.T, conn *pgx.Conn, query string) (n int) {
	t.Helper()
	ok(t, conn.QueryRow(t.Context(), query).Scan(&n))
	return n
}

// TestSweepAfterLong has much that expired while nobody ran: no statement takes off more
// than a hold does, of whatever counters, since these stay locked until its end.
func TestSweepAfterLong(t *testing.T) {
	p := newStore(t)
	conn := inSchema(t, p)
	const counters, each, most = 3, 17000, 16384
	expired(t, conn, counters, each)
	const left = "SELECT count(*) FROM charges"
	if id := number(t, conn, "SELECT sweep(0, NULL)"); id != number(t, conn, "SELECT min(id) FROM counters") || number(t, conn, left) != counters*each-most {
		t.Errorf("a statement swept up to counter %d, and %d charges are left", id, number(t, conn, left))
	}
	store := open(t, p.options())
	for range 2 {
		ok(t, store.SweepOnce())
	}
	if n := number(t, conn, left) + number(t, conn, "SELECT count(*) FROM counters"); n != 0 {
		t.Errorf("after two sweeps %d rows are left", n)
	}
	expired(t, conn, 200, 10)
	if number(t, conn, "SELECT sweep(0, NULL)"); number(t, conn, left) < 100*10 || number(t, conn, left) == 200*10 {
		t.Errorf("%d charges of 200 small counters are left", number(t, conn, left))
	}
	if number(t, conn, consistency) != 0 {
		t.Error("totals are not those of what there is")
	}
}

// TestSweepKeeps what somebody may ask about still: removals for a day, for those who follow
// changes; holds for a day after their windows, for one who settles late; and sessions for a
// week.
func TestSweepKeeps(t *testing.T) {
	p := newStore(t)
	store, conn := open(t, p.options()), inSchema(t, p)
	before := number(t, conn, "SELECT count(*) FROM sessions") // of the store
	_, err := conn.Exec(t.Context(), `INSERT INTO removed (key, changed, at) SELECT convert_to(h::text, 'UTF8'), h, now() - h * interval '1 hour' FROM unnest('{1,24,26}'::integer[]) h;
		UPDATE clock SET latest = now_or(NULL);
		INSERT INTO holds (id, expires) SELECT h, (SELECT latest FROM clock) - h * 3600000000000 FROM unnest('{1,23,25}'::bigint[]) h;
		INSERT INTO sessions (replica, seen) SELECT 'another', now() - h * interval '1 hour' FROM unnest('{1,167,169}'::integer[]) h`)
	ok(t, err)
	ok(t, store.SweepOnce())
	for _, of := range []string{"removed", "holds", "sessions"} {
		n := number(t, conn, "SELECT count(*) FROM "+of)
		if of == "sessions" {
			n -= before
		}
		if n != 2 {
			t.Errorf("%d rows of %s are left, of three of which one is old", n, of)
		}
	}
}

// TestSweepThatFails takes off what nobody asks about all the same.
func TestSweepThatFails(t *testing.T) {
	p := newStore(t)
	conn := inSchema(t, p)
	store := open(t, p.options())
	_, err := conn.Exec(t.Context(), `INSERT INTO sessions (replica, seen) VALUES ('gone', now() - interval '8 days');
		INSERT INTO removed VALUES ('a', 1, now() - interval '2 days');
		UPDATE clock SET latest = 86400000000001; INSERT INTO holds VALUES (nextval('hold_id'), 0);
		UPDATE sessions SET seen = now() - interval '6 days' WHERE replica = 'one';
		CREATE OR REPLACE FUNCTION sweep(p_after bigint, p_now bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1/0::bigint'`)
	ok(t, err)
	if err := store.SweepOnce(); err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("a sweep that fails: %v", err)
	}
	if n := number(t, conn, `SELECT (SELECT count(*) FROM sessions WHERE seen < now() - interval '1 day')
		+ (SELECT count(*) FROM removed) + (SELECT count(*) FROM holds)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestMigrateOlder brings up a store of the first version.
func TestMigrateOlder(t *testing.T) {
	p := place{shared.Start(t).DSN("postgres"), fmt.Sprint("kvclef ", schemas.Add(1))}
	first, err := os.ReadFile("migrations/0001_store.sql")
	ok(t, err)
	conn, err := pgx.Connect(t.Context(), p.dsn)
	ok(t, err)
	defer conn.Close(t.Context()) // what it wrote is committed
	name := pgx.Identifier{p.schema}.Sanitize()
	_, err = conn.Exec(t.Context(), "CREATE SCHEMA "+name+"; SET search_path = "+name+"; "+string(first))
	ok(t, err)
	expired(t, conn, 3, 10)
	m, err := postgres.Migrate(t.Context(), p.dsn, p.schema)
	ok(t, err)
	if m.From != 1 || m.To != postgres.Version {
		t.Errorf("%+v", m)
	}
	ok(t, open(t, p.options()).SweepOnce())
	if n := number(t, conn, "SELECT count(*) FROM charges"); n != 0 {
		t.Errorf("%d charges are left", n)
	}
}
