//go:build linux

package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
)

// TestCommitted: each transaction is timed by itself. One that the database keeps waiting
// is told as long as it waited, whatever others do in the meantime.
func TestCommitted(t *testing.T) {
	var mu sync.Mutex
	var took []time.Duration
	p := newStore(t)
	options := p.options()
	options.Committed = func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		took = append(took, d)
	}
	store := open(t, options)
	conn, err := pgx.Connect(t.Context(), p.dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, conn.Close(context.WithoutCancel(t.Context()))) })
	blocker, err := conn.Begin(t.Context())
	ok(t, err)
	_, err = blocker.Exec(t.Context(), "LOCK TABLE "+pgx.Identifier{p.schema, "counters"}.Sanitize()+" IN EXCLUSIVE MODE")
	ok(t, err)
	held := make(chan error, 1)
	go func() {
		_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
		held <- err
	}()
	for waits := false; !waits; pause(t, time.Millisecond) {
		ok(t, blocker.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'kvclef/%' AND wait_event_type = 'Lock')").Scan(&waits))
	}
	waiting := time.Now()
	const others = 20
	for i := range others {
		ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: fmt.Sprint("a/", i), New: []byte("1")}))
	}
	waited := time.Since(waiting)
	ok(t, blocker.Rollback(t.Context()))
	ok(t, <-held)

	mu.Lock()
	defer mu.Unlock()
	if len(took) <= others || slices.Max(took) < waited {
		t.Errorf("%d transactions took %v at most, and one waited %v", len(took), slices.Max(took), waited)
	}
}
