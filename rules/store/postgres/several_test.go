//go:build linux

package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

// openSeveral opens a store as several replicas have it open.
func openSeveral(t testing.TB, p place, n int, clock func() time.Time) []storetest.SharedStore {
	t.Helper()
	stores := make([]storetest.SharedStore, n)
	for i := range stores {
		options := p.options()
		options.Clock, options.Replica = clock, fmt.Sprint("replica ", i)
		stores[i] = open(t, options)
	}
	return stores
}

// Several that share a store must do what one does.

func TestSeveralStorages(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestStorage(t, func(t *testing.T) rules.Storage { return e.several(t, nil) })
}

func TestSeveralLedgers(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestLedger(t, func(t *testing.T, clock func() time.Time) storetest.Ledger { return e.several(t, clock) })
}

func TestSeveralRecords(t *testing.T) {
	e := newEmptied(t)
	defer e.close(t)
	storetest.TestRecords(t, func(t *testing.T) rules.Records { return e.several(t, nil) })
}

func TestShared(t *testing.T) {
	storetest.TestShared(t, func(t *testing.T) (one, other storetest.SharedRecords) {
		stores := openSeveral(t, newStore(t), 2, nil)
		return stores[0], stores[1]
	})
}

// TestCut ends connections at random, as a database does whose memory is short, or
// a network.
func TestCut(t *testing.T) {
	server := shared.Start(t)
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	ok(t, err)
	t.Cleanup(func() { ok(t, conn.Close(context.WithoutCancel(t.Context()))) })
	stores := openSeveral(t, newStore(t), 2, nil)
	storetest.TestCut(t, stores, func() {
		pause(t, time.Duration(rand.IntN(60))*time.Millisecond)
		_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM (
			SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'kvclef/replica %' ORDER BY random() LIMIT 1) a`)
		ok(t, err)
	})
	if !doubted(stores) {
		t.Log("no change of records was ever in doubt")
	}
	wantConsistent(t, server, stores)
}

func doubted(stores []storetest.SharedStore) bool {
	for _, one := range stores {
		if store, is := one.(*postgres.Store); is && store.Doubted() {
			return true
		}
	}
	return false
}

func pause(t testing.TB, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// TestRestart ends the whole server, in order and not, while it is used.
func TestRestart(t *testing.T) {
	server := pgtest.Start(t)
	p := newStoreAt(t, server.DSN("postgres"))
	stores := openSeveral(t, p, 2, nil)
	times := 0
	storetest.TestCut(t, stores, func() {
		pause(t, 100*time.Millisecond)
		if times++; times > 4 {
			pause(t, time.Second)
			return
		}
		if times%2 == 0 {
			server.Stop()
		} else {
			server.Kill()
		}
		ok(t, server.Start(t.Context()))
	})
	if times < 2 {
		t.Errorf("the server was ended %d times", times)
	}
	wantConsistent(t, server, stores)
}

// consistency counts totals that are not those of what there is.
const consistency = `SELECT
	(SELECT count(*) FROM counters k LEFT JOIN LATERAL (
		SELECT coalesce(sum(CASE WHEN slot = '' THEN amount END), 0) + coalesce((
			SELECT sum(most) FROM (SELECT max(amount) AS most FROM charges s WHERE s.counter = k.id AND s.slot <> '' GROUP BY s.slot) m), 0) AS total,
			count(*) AS n FROM charges c WHERE c.counter = k.id) t ON true
		WHERE k.total <> t.total OR k.charges <> t.n)
	+ (SELECT count(*) FROM charges c WHERE NOT EXISTS (SELECT FROM counters k WHERE k.id = c.counter))
	+ (SELECT count(*) FROM records_size z WHERE z.records <> (SELECT count(*) FROM records)
		OR z.bytes <> (SELECT coalesce(sum(octet_length(key) + octet_length(value)), 0) FROM records)
		OR z.mark < (SELECT coalesce(max(changed), 0) FROM records))
	+ (SELECT count(*) FROM storage_size z WHERE z.keys <> (SELECT count(*) FROM storage)
		OR z.bytes <> (SELECT coalesce(sum(octet_length(key) + octet_length(value)), 0) FROM storage))`

// wantConsistent checks that totals are those of the charges that there are.
func wantConsistent(t *testing.T, server *pgtest.Server, stores []storetest.SharedStore) {
	t.Helper()
	store, is := stores[0].(*postgres.Store)
	if !is {
		t.Fatal("another store")
	}
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	ok(t, err)
	defer func() { ok(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	_, err = conn.Exec(t.Context(), "SET search_path = "+pgx.Identifier{store.Schema()}.Sanitize())
	ok(t, err)
	var wrong int
	ok(t, conn.QueryRow(t.Context(), consistency).Scan(&wrong))
	if wrong != 0 {
		t.Errorf("%d totals are not those of what there is", wrong)
	}
}

// TestRecordKinds counts below a prefix what another replica keeps, too, and nothing else.
func TestRecordKinds(t *testing.T) {
	stores := openSeveral(t, newStore(t), 2, nil)
	for i, key := range []string{"hosted/a/tx/1", "hosted/a/tx/\xff", "hosted/b/lane/1", "hosted/none", "hosted", "hosteds/a/1", "tx/1"} {
		ok(t, stores[i%2].ChangeRecords(t.Context(), rules.Change{Key: key, New: []byte("four")}))
	}
	for _, one := range stores {
		kinds, err := one.(*postgres.Store).RecordKinds(t.Context(), "hosted/")
		ok(t, err)
		want := []store.RecordKind{{Kind: "a", Records: 2, Bytes: 26 + 8}, {Kind: "b", Records: 1, Bytes: 15 + 4}}
		if !slices.Equal(kinds, want) {
			t.Errorf("%+v, want %+v", kinds, want)
		}
	}
}
