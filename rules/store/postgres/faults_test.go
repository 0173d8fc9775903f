//go:build linux

package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// grants are what docs/postgres.md says.
const grants = `GRANT USAGE ON SCHEMA kvclef TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA kvclef TO app;
REVOKE INSERT, UPDATE, DELETE ON kvclef.format FROM app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA kvclef TO app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA kvclef TO app;`

func charge(counter string, amount, limit uint64) rules.Charge {
	return rules.Charge{Counter: counter, Amount: *uint256.NewInt(amount), Cap: *uint256.NewInt(limit), Window: time.Hour}
}

// TestPaused has a server that says nothing: every call ends in time, and nothing
// is held but what counts. Afterwards all is well.
func TestPaused(t *testing.T) {
	server := pgtest.Start(t)
	p := newStoreAt(t, server.DSN("postgres"))
	options := p.options()
	options.Timeout = 2 * time.Second
	store := open(t, options)
	_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))

	server.Pause()
	var all sync.WaitGroup
	for name, call := range map[string]func(ctx context.Context) error{
		"holding": func(ctx context.Context) error {
			_, err := store.Hold(ctx, []rules.Charge{charge("a", 8, 9)})
			return err
		},
		"changing": func(ctx context.Context) error {
			return store.ChangeRecords(ctx, rules.Change{Key: "a/1", Old: []byte("1"), New: []byte("2")})
		},
		"reading": func(ctx context.Context) error { _, err := store.Record(ctx, "a/1"); return err },
		"locking": func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := store.Lock(ctx, "a")
			return err
		},
		"beginning": func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := store.Begin(ctx)
			return err
		},
	} {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := call(ctx); err == nil || ctx.Err() != nil {
				t.Errorf("%s: %v, %v", name, err, ctx.Err())
			}
		})
	}
	all.Wait()
	server.Resume()

	value := recordAtLast(t, store, "a/1")
	pause(t, 300*time.Millisecond) // whatever the server was still told to do
	if again := recordAtLast(t, store, "a/1"); !bytes.Equal(again, value) {
		t.Errorf("what was told of a record has changed: %q, and then %q", value, again)
	}
	usage, err := store.Usage(t.Context(), "a")
	ok(t, err)
	if used := usage.Used.Uint64(); used != 1 && used != 9 {
		t.Errorf("%d are used", used)
	}
}

// recordAtLast reads until the server answers.
func recordAtLast(t *testing.T, store *postgres.Store, key string) []byte {
	t.Helper()
	value, err := store.Record(t.Context(), key)
	for ; err != nil; value, err = store.Record(t.Context(), key) {
		pause(t, 20*time.Millisecond)
	}
	return value
}

// TestReplaced notices that the database is an older copy of what it was.
func TestReplaced(t *testing.T) {
	server := shared.Start(t)
	for name, statement := range map[string]string{
		"holds":   "SELECT setval('hold_id', 1)",
		"records": "UPDATE records_size SET mark = mark - 1",
		"id":      "UPDATE format SET id = 'another'",
		"row":     "UPDATE sessions SET generation = generation - 1",
		"no row":  "DELETE FROM sessions WHERE generation > 0",
		"another": "UPDATE sessions SET replica = 'another'",
	} {
		t.Run(name, func(t *testing.T) {
			p := newStore(t)
			store := open(t, p.options())
			for range 3 {
				_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
				ok(t, err)
			}
			ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))
			server.Exec(t, "postgres", fmt.Sprintf("SET search_path = %q; %s", p.schema, statement))
			server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'kvclef/%'")
			for range 2 {
				if _, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)}); !errors.Is(err, postgres.ErrBroken) {
					t.Errorf("holding: %v", err)
				}
			}
			if _, err := store.Record(t.Context(), "a/1"); !errors.Is(err, postgres.ErrBroken) {
				t.Errorf("reading: %v", err)
			}
		})
	}
}

// TestLost ends the connections of two that share a store: a lock is free for the
// other, and a transaction of a rule file that has lost its lock writes nothing.
func TestLost(t *testing.T) {
	server := shared.Start(t)
	stores := openSeveral(t, newStore(t), 2, nil)
	release, err := stores[0].Lock(t.Context(), "a")
	ok(t, err)
	tx, err := stores[0].Begin(t.Context())
	ok(t, err)
	ok(t, tx.Put("a", "lost"))
	server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'kvclef/replica 0 locks'")
	other, err := stores[1].Lock(t.Context(), "a")
	ok(t, err)
	next, err := stores[1].Begin(t.Context())
	ok(t, err)
	ok(t, next.Put("a", "kept"))
	ok(t, next.Commit(t.Context()))
	if err := tx.Commit(t.Context()); err == nil {
		t.Error("a transaction that lost its lock was committed")
	}
	release()
	other()
	tx, err = stores[0].Begin(t.Context())
	ok(t, err)
	defer tx.Rollback()
	if value, err := tx.Get("a"); err != nil || value != "kept" {
		t.Errorf("%q, %v", value, err)
	}
}

// TestAbandoned gives back what was held for those who went while it was.
func TestAbandoned(t *testing.T) {
	store := open(t, newStore(t).options())
	for i := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
		id, err := store.Hold(ctx, []rules.Charge{charge("a", 1, 9)})
		if err == nil {
			ok(t, store.Release(t.Context(), id))
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(i, err)
		}
		cancel()
	}
	for { // it is given back a little later
		usage, err := store.Usage(t.Context(), "a")
		ok(t, err)
		if usage.Used.IsZero() {
			return
		}
		pause(t, time.Millisecond)
	}
}

// TestExpired takes off more than a transaction does at a time, and sweeps what
// nobody asks about.
func TestExpired(t *testing.T) {
	p := newStore(t)
	server := shared.Start(t)
	store := open(t, p.options())
	_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9), charge("b", 1, 9)})
	ok(t, err)
	server.Exec(t, "postgres", fmt.Sprintf(`SET search_path = %q;
		INSERT INTO charges (hold, place, counter, slot, amount, expires)
		SELECT -n, 0, id, CASE WHEN n %% 3 = 0 THEN int4send(n / 100) ELSE '' END, 1, n FROM counters, generate_series(1, 40000) n WHERE name = 'a';
		UPDATE charges SET expires = 1;
		UPDATE counters k SET charges = (SELECT count(*) FROM charges c WHERE c.counter = k.id), latest = 1,
			total = (SELECT coalesce(sum(amount), 0) FROM charges c WHERE c.counter = k.id AND slot = '')
				+ (SELECT count(DISTINCT slot) FROM charges c WHERE c.counter = k.id AND slot <> '')`, p.schema))
	id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 9, 9)})
	ok(t, err)
	ok(t, store.Release(t.Context(), id))
	ok(t, store.SweepOnce())
	sum, err := store.Summary(t.Context(), true)
	ok(t, err)
	if n, err := store.Count(t.Context(), "charges"); err != nil || n != 0 || len(sum.Counters) != 0 {
		t.Errorf("%d charges are left, %v; %v", n, err, sum.Counters)
	}
	if n, err := store.Count(t.Context(), "counters WHERE name = 'b'"); err != nil || n != 0 {
		t.Errorf("a counter that counts nothing is left: %v", err)
	}
}

func TestSummary(t *testing.T) {
	store := open(t, newStore(t).options())
	_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 3, 9), charge("b", 1, 9)})
	ok(t, err)
	id, err := store.Hold(t.Context(), []rules.Charge{charge("a", 4, 9)})
	ok(t, err)
	ok(t, store.Commit(t.Context(), id))
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "tx/1", New: []byte("one")}, rules.Change{Key: "sealed/1", New: []byte("secret")},
		rules.Change{Key: "lone", New: []byte{}}))
	tx, err := store.Begin(t.Context())
	ok(t, err)
	ok(t, tx.Put("key", "value"))
	ok(t, tx.Commit(t.Context()))
	attested := rules.Attestation{Kind: rules.PolicyFile, SHA256: [32]byte{1}, Time: time.Unix(5, 0).UTC()}
	ok(t, store.Attest(t.Context(), attested))
	sum, err := store.Summary(t.Context(), true)
	ok(t, err)
	if len(sum.Counters) != 2 || sum.Counters[0].Used.Uint64() != 7 || sum.Counters[0].Held.Uint64() != 3 || sum.Counters[1].Name != "b" || sum.Counters[0].Charges != 2 {
		t.Errorf("counters %+v", sum.Counters)
	}
	if len(sum.Holds) != 1 || sum.Holds[0].Charges != 2 {
		t.Errorf("holds %+v", sum.Holds)
	}
	if fmt.Sprint(sum.Records) != "[{lone 1 4} {sealed 1 14} {tx 1 7}]" || len(sum.RecordValues) != 2 || sum.RecordValues["tx/1"] != "one" {
		t.Errorf("records %v, %v", sum.Records, sum.RecordValues)
	}
	if sum.Keys != 1 || sum.Bytes != 8 || sum.Values["key"] != "value" || sum.ID != store.ID() || sum.Attestation != nil {
		t.Errorf("%+v", sum)
	}
	if sum.PolicyAttestation == nil || sum.PolicyAttestation.SHA256 != attested.SHA256 || !sum.PolicyAttestation.Time.Equal(attested.Time) {
		t.Errorf("attested %+v", sum.PolicyAttestation)
	}
	if got, is, err := store.Attestation(t.Context(), rules.PolicyFile); err != nil || !is || got.SHA256 != attested.SHA256 {
		t.Errorf("%+v, %v, %v", got, is, err)
	}
	if _, is, err := store.Attestation(t.Context(), rules.RuleFile); err != nil || is {
		t.Errorf("%v, %v", is, err)
	}
}

// TestLogHeads are those of the replica that asks, the last used at the end.
func TestLogHeads(t *testing.T) {
	p := newStore(t)
	options := p.options()
	one := open(t, options)
	options.Replica = "two"
	two := open(t, options)
	at := time.Unix(1_700_000_000, 0).UTC()
	for i := range 20 {
		ok(t, one.KeepLogHead(t.Context(), postgres.LogHead{Log: fmt.Sprint("/log/", i), Seq: 1, Hash: "aa", Time: at}))
	}
	ok(t, one.KeepLogHead(t.Context(), postgres.LogHead{Log: "/log/7", Seq: 2, Hash: "bb", Time: at}))
	ok(t, two.KeepLogHead(t.Context(), postgres.LogHead{Log: "/log/7", Seq: 9, Hash: "cc", Time: at}))
	heads, err := one.LogHeads(t.Context())
	ok(t, err)
	if want := (postgres.LogHead{Replica: "one", Log: "/log/7", Seq: 2, Hash: "bb", Time: at}); len(heads) != 16 || heads[15] != want {
		t.Errorf("%d: %+v", len(heads), heads)
	}
	// Of a log that was only read the time stays, and the place; one that is new is at the
	// beginning.
	ok(t, one.KeepLogHead(t.Context(), postgres.LogHead{Log: "/log/15", Seq: 3, Hash: "dd"}))
	ok(t, one.KeepLogHead(t.Context(), postgres.LogHead{Log: "/log/new", Seq: 4, Hash: "ee"}))
	ok(t, one.KeepLogHead(t.Context(), postgres.LogHead{Log: "/log/new", Seq: 5, Hash: "ee"}))
	heads, err = one.LogHeads(t.Context())
	ok(t, err)
	if want := (postgres.LogHead{Replica: "one", Log: "/log/new", Seq: 5, Hash: "ee"}); len(heads) != 16 || heads[0] != want {
		t.Errorf("%d: %+v", len(heads), heads)
	}
	if want := (postgres.LogHead{Replica: "one", Log: "/log/15", Seq: 3, Hash: "dd", Time: at}); heads[10] != want || heads[15].Log != "/log/7" {
		t.Errorf("%+v", heads)
	}
	heads, err = two.LogHeads(t.Context())
	ok(t, err)
	if len(heads) != 1 || heads[0].Seq != 9 {
		t.Errorf("%+v", heads)
	}
	for _, bad := range []postgres.LogHead{{Seq: 1}, {Log: "/a"}, {Log: "/\xff", Seq: 1}, {Log: "/a\x00", Seq: 1}, {Log: "/a", Seq: 1 << 63}} {
		if err := one.KeepLogHead(t.Context(), bad); err == nil {
			t.Errorf("%+v is kept", bad)
		}
	}
}

// endsAfter is a context that ends after it was asked a few times.
type endsAfter struct {
	context.Context //nolint:containedctx // it stands in its place
	asked           int
}

func (c *endsAfter) Err() error {
	if c.asked--; c.asked < 0 {
		return context.Canceled
	}
	return nil
}

func (c *endsAfter) Value(any) any { return nil }

// TestCommitThatIsCutOff: whoever gives up while it commits does not keep the
// storage's lock.
func TestCommitThatIsCutOff(t *testing.T) {
	store := open(t, newStore(t).options())
	tx, err := store.Begin(t.Context())
	ok(t, err)
	ok(t, tx.Put("a", "1"))
	if err := tx.Commit(&endsAfter{Context: t.Context(), asked: 1}); err == nil {
		t.Fatal("it was committed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	next, err := store.Begin(ctx)
	ok(t, err)
	if value, err := next.Get("a"); err != nil || value != "" {
		t.Errorf("%q, %v", value, err)
	}
	next.Rollback()
}

// TestLocksLeaveRoomForTheStorage: whoever holds locks by their names may need the
// storage before it gives them back.
func TestLocksLeaveRoomForTheStorage(t *testing.T) {
	options := newStore(t).options()
	options.Conns = 4
	store := open(t, options)
	for i := range 100 {
		release, err := store.Lock(t.Context(), fmt.Sprint(i))
		ok(t, err)
		defer release()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tx, err := store.Begin(ctx)
	ok(t, err)
	tx.Rollback()
}

// TestForgottenGeneration: a failover that forgets the session's generation, whose beginning
// changed nothing that anybody was told of, keeps from no change afterwards.
func TestForgottenGeneration(t *testing.T) {
	server := shared.Start(t)
	p := newStore(t)
	store := open(t, p.options())
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))
	for _, generation := range []string{"generation + 1", "generation - 1"} {
		server.Exec(t, "postgres", fmt.Sprintf(`UPDATE %[1]q.sessions SET generation = %[2]s WHERE id = (SELECT min(id) FROM %[1]q.sessions)`, p.schema, generation))
		ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/2", New: []byte("2")}))
		ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/2", Old: []byte("2")}))
	}
}
