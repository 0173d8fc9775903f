//go:build linux

package postgres_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
)

const away = `UPDATE %q.sessions SET seen = now() - interval '8 days' WHERE replica = 'one'`

// TestForgottenSession: a replica that was away for so long that others took its session off
// goes on when it is back, with another one.
func TestForgottenSession(t *testing.T) {
	server := shared.Start(t)
	p := newStore(t)
	store := open(t, p.options())
	options := p.options()
	options.Replica = "two"
	other := open(t, options)
	sessions := func() int {
		n, err := other.Count(t.Context(), "sessions WHERE replica = 'one'")
		ok(t, err)
		return n
	}
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))
	for range 2 {
		server.Exec(t, "postgres", fmt.Sprintf(away, p.schema))
		store.Away(8 * 24 * time.Hour)
		ok(t, other.SweepOnce())
		if n := sessions(); n != 0 {
			t.Fatalf("it has %d sessions", n)
		}
		ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/2", New: []byte("2")}))
		ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/2", Old: []byte("2")}))
		ok(t, store.SweepOnce()) // it is seen
		ok(t, other.SweepOnce())
		if n := sessions(); n != 2 { // one that changes are made by, one that counts them
			t.Errorf("it has %d sessions, want two that stay", n)
		}
	}
}

// TestForgottenWhileInDoubt: another session begins when what is under way of the one that was
// forgotten has ended, so that whoever reads afterwards sees what came of it.
func TestForgottenWhileInDoubt(t *testing.T) {
	server := shared.Start(t)
	p := newStore(t)
	line, options := cutLine(t, p)
	store := open(t, options)
	options = p.options()
	options.Replica = "two"
	other := open(t, options)

	inTheWay, err := pgx.Connect(t.Context(), p.dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, inTheWay.Close(context.WithoutCancel(t.Context()))) })
	tx, err := inTheWay.Begin(t.Context())
	ok(t, err)
	_, err = tx.Exec(t.Context(), fmt.Sprintf(`SELECT FROM %q.records_size FOR UPDATE`, p.schema))
	ok(t, err)
	ended := make(chan string, 1)
	waiting := func(locktype string) {
		for {
			n, err := other.Count(t.Context(), fmt.Sprintf(`pg_locks l JOIN pg_stat_activity a USING (pid)
				WHERE NOT l.granted AND l.locktype = '%s' AND a.application_name = 'kvclef/one'`, locktype))
			ok(t, err)
			if n > 0 {
				return
			}
			select {
			case what := <-ended:
				t.Fatalf("it did not wait: %s", what)
			default:
			}
			pause(t, 10*time.Millisecond)
		}
	}

	go func() {
		ended <- fmt.Sprint("changing: ", store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))
	}()
	waiting("transactionid") // behind what is in the way
	server.Exec(t, "postgres", fmt.Sprintf(away, p.schema))
	store.Away(8 * 24 * time.Hour)
	ok(t, other.SweepOnce())
	line.cut()
	if what := <-ended; !strings.Contains(what, "may have been done or not") {
		t.Fatalf("over a line that is cut: %s", what)
	}
	go func() {
		value, err := store.Record(t.Context(), "a/1")
		ended <- fmt.Sprintf("%s, %v", value, err)
	}()
	waiting("advisory") // for the change
	ok(t, tx.Commit(t.Context()))
	if what := <-ended; what != "1, <nil>" {
		t.Errorf("read %s, and the change was under way", what)
	}
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", Old: []byte("1")}))
}

// line is connections that can be cut at this end, of which the database then knows nothing:
// requests to cancel what is under way, which are sent over other connections, get lost.
type line struct {
	mu   sync.Mutex
	open []net.Conn
}

// cutLine returns options of a store over a line.
func cutLine(t *testing.T, p place) (*line, postgres.Options) {
	t.Helper()
	l, options := new(line), p.options()
	config, err := pgxpool.ParseConfig(p.dsn)
	ok(t, err)
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.open = append(l.open, conn)
		return uncancelled{conn}, nil
	}
	options.DSN, options.Config = "", config
	return l, options
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.open {
		_ = conn.Close() // which may have ended before
	}
	l.open = nil
}

// uncancelled loses requests to cancel.
type uncancelled struct{ net.Conn }

// Write writes all else.
func (c uncancelled) Write(b []byte) (int, error) {
	if len(b) == 16 && binary.BigEndian.Uint32(b[4:]) == 80877102 { // CancelRequest
		return 0, errors.New("the line is cut")
	}
	return c.Conn.Write(b)
}
