package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
)

// within connects to a store as a session of PostgreSQL's own tools would.
func within(t *testing.T, p place) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, conn.Close(context.WithoutCancel(t.Context()))) })
	_, err = conn.Exec(t.Context(), "SET search_path = "+pgx.Identifier{p.schema}.Sanitize())
	ok(t, err)
	return conn
}

// TestWhatWaitsForTheDisk: a commit waits for it if something is in it that somebody is told
// of, and only then.
func TestWhatWaitsForTheDisk(t *testing.T) {
	const (
		hour    = "3600000000000"
		holds   = "SELECT hold('{0}', '{a}', ARRAY['']::bytea[], '{5}', '{9}', ARRAY[" + hour + "], NULL)"
		refused = "SELECT hold('{0}', '{a}', ARRAY['']::bytea[], '{10}', '{9}', ARRAY[" + hour + "], NULL)"
		both    = "SELECT hold('{0,1}', '{a,a}', ARRAY['','']::bytea[], '{10,5}', '{9,9}', ARRAY[" + hour + "," + hour + "], NULL)"
		changes = "SELECT change(s.id, 0, 1, '{0}', '{k}', ARRAY[NULL]::bytea[], '{v}', 9, 99) FROM sessions s"
		other   = "SELECT change(s.id, 0, 1, '{0}', '{k}', '{x}', '{v}', 9, 99) FROM sessions s"
		half    = "SELECT change(s.id, 0, 1, '{0,1}', '{k,l}', ARRAY['x',NULL]::bytea[], '{v,v}', 9, 99) FROM sessions s"
	)
	conn := within(t, newStore(t))
	for name, tt := range map[string]struct {
		before, statement string
		waits             bool
	}{
		"hold":             {"", holds, true},
		"refused hold":     {"", refused, false},
		"one of two holds": {"", both, true},
		"settle":           {holds, "SELECT settle(max(id)) FROM holds", false},
		"release":          {holds, "SELECT release(max(id)) FROM holds", true},
		"change":           {"", changes, true},
		"refused change":   {"", other, false},
		"one of two":       {"", half, true},
		"a new generation": {"", "SELECT shut_out(s.id, 1) FROM sessions s", true},
		"storage":          {"", "SELECT store(1, '{k}', '{v}', false)", true},
		"sweep":            {holds, "SELECT sweep(0, NULL)", false},
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := conn.Begin(t.Context())
			ok(t, err)
			defer func() { ok(t, tx.Rollback(t.Context())) }()
			for _, statement := range []string{"INSERT INTO sessions (replica) VALUES ('one')", tt.before, tt.statement} {
				_, err = tx.Exec(t.Context(), statement)
				ok(t, err)
			}
			var setting string
			ok(t, tx.QueryRow(t.Context(), "SELECT current_setting('synchronous_commit')").Scan(&setting))
			if (setting == "on") != tt.waits {
				t.Errorf("synchronous_commit is %s", setting)
			}
		})
	}
}

// TestCountersKeepTheirTime: a hold goes by the time of the last one of its counters if the
// database's clock is behind that, though nothing else remembers it yet.
func TestCountersKeepTheirTime(t *testing.T) {
	p := newStore(t)
	store, conn := open(t, p.options()), within(t, p)
	_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	var kept, expires bool
	ok(t, conn.QueryRow(t.Context(), "SELECT k.latest = c.expires - $1 FROM counters k JOIN charges c ON c.counter = k.id", time.Hour.Nanoseconds()).Scan(&kept))
	if !kept {
		t.Error("the counter has another time than its hold")
	}
	_, err = conn.Exec(t.Context(), "UPDATE counters SET latest = latest + $1", (time.Hour / 2).Nanoseconds()) // as if the clock had been set back
	ok(t, err)
	_, err = store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	ok(t, conn.QueryRow(t.Context(), "SELECT max(c.expires) = min(c.expires) + $1 FROM charges c", (time.Hour/2).Nanoseconds()).Scan(&expires))
	if !expires {
		t.Error("the second hold goes by the database's clock, which is behind the first")
	}
}
