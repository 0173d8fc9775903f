//go:build linux

package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/kvclef/kvclef/rules"
)

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
	conn := inSchema(t, newStore(t))
	_, err := conn.Exec(t.Context(), "SET synchronous_commit = on")
	ok(t, err)
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
	store, conn := open(t, p.options()), inSchema(t, p)
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

	// Where nothing counts any more, nobody but the counter knows that time.
	_, err = conn.Exec(t.Context(), "SELECT release(id) FROM holds")
	ok(t, err)
	ok(t, store.SweepOnce())
	if n, err := store.Count(t.Context(), "counters"); n != 1 || err != nil {
		t.Errorf("there are %d counters, %v", n, err)
	}
}

// TestShutOut: what belongs to a generation that has ended, or to no session, is not done.
func TestShutOut(t *testing.T) {
	p := newStore(t)
	conn := inSchema(t, p)
	var id, generation int
	ok(t, conn.QueryRow(t.Context(), "INSERT INTO sessions (replica) VALUES ('one') RETURNING id").Scan(&id))
	ok(t, conn.QueryRow(t.Context(), "SELECT shut_out($1, 1)", id).Scan(&generation))
	for _, tt := range []struct {
		session, generation int
		key                 string
		done                bool
	}{
		{id, generation - 1, "before", false},
		{id, generation + 1, "after", false},
		{id + 1, generation, "of another", false},
		{id, generation, "now", true},
	} {
		_, err := conn.Exec(t.Context(), "SELECT change($1, $2, 1, '{0}', ARRAY[$3::bytea], ARRAY[NULL]::bytea[], '{v}', 9, 99)", tt.session, tt.generation, []byte(tt.key))
		var refused *pgconn.PgError
		if tt.done != (err == nil) || err != nil && (!errors.As(err, &refused) || refused.Code != "KV001") {
			t.Errorf("%s: %v", tt.key, err)
		}
		var there bool
		ok(t, conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM records WHERE key = $1)", []byte(tt.key)).Scan(&there))
		if there != tt.done {
			t.Errorf("%s: it is there: %v", tt.key, there)
		}
	}
}

// TestStorageIsLockedUntilItIsSeen: who has the storage next sees what the one before wrote,
// who gives the lock back with it.
func TestStorageIsLockedUntilItIsSeen(t *testing.T) {
	p := newStore(t)
	one, other := inSchema(t, p), inSchema(t, p)
	_, err := one.Exec(t.Context(), "SELECT pg_advisory_lock(7)")
	ok(t, err)
	tx, err := one.Begin(t.Context())
	ok(t, err)
	_, err = tx.Exec(t.Context(), "SELECT store(7, '{k}', '{v}', true)")
	ok(t, err)
	for _, committed := range []bool{false, true} {
		if committed {
			ok(t, tx.Commit(t.Context()))
		}
		var had bool
		ok(t, other.QueryRow(t.Context(), "SELECT pg_try_advisory_lock(7)").Scan(&had))
		if had != committed {
			t.Errorf("committed: %v, and it is locked by another: %v", committed, had)
		}
	}
}

// TestRecordBoundsThatBecameLess refuse what adds, and nothing else.
func TestRecordBoundsThatBecameLess(t *testing.T) {
	options := newStore(t).options()
	added := func(key, value string) rules.Change { return rules.Change{Key: key, New: []byte(value)} }
	ok(t, open(t, options).ChangeRecords(t.Context(), added("a/1", "1"), added("a/3", "333")))
	store := open(t, options.WithRecordBounds(1, 1))
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/3", Old: []byte("333"), New: []byte("222")}))
	for _, c := range []rules.Change{added("a/4", ""), {Key: "a/1", Old: []byte("1"), New: []byte("11")}} {
		if err := store.ChangeRecords(t.Context(), c); !errors.Is(err, rules.ErrRecordsFull) {
			t.Errorf("%q: %v", c.Key, err)
		}
	}
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/3", Old: []byte("222")}))
}

// TestReadersWaitForWhatWasAbandoned: whoever asked for a change has gone while it is made.
// Nobody reads the record as it was until it is known what became of that.
func TestReadersWaitForWhatWasAbandoned(t *testing.T) {
	p := newStore(t)
	store, conn := open(t, p.options()), inSchema(t, p)
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))
	blocker, err := conn.Begin(t.Context())
	ok(t, err)
	_, err = blocker.Exec(t.Context(), "LOCK TABLE records_size IN EXCLUSIVE MODE")
	ok(t, err)
	gone, leave := context.WithCancel(t.Context())
	changed := make(chan error, 1)
	go func() {
		changed <- store.ChangeRecords(gone, rules.Change{Key: "a/1", Old: []byte("1"), New: []byte("2")})
	}()
	for waits := false; !waits; pause(t, time.Millisecond) {
		ok(t, blocker.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'kvclef/%' AND wait_event_type = 'Lock')").Scan(&waits))
	}
	leave()
	if err := <-changed; !errors.Is(err, context.Canceled) {
		t.Errorf("it was changed: %v", err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if value, err := store.Record(soon, "a/1"); err == nil || !strings.Contains(err.Error(), "waiting for what is being written") {
		t.Errorf("it is %q while it is changed: %v", value, err)
	}
	ok(t, blocker.Rollback(t.Context()))
	if value, err := store.Record(t.Context(), "a/1"); err != nil || string(value) != "2" {
		t.Errorf("it is %q afterwards: %v", value, err)
	}
}
