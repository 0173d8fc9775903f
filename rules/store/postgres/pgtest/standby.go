//go:build linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// standby is the name of a standby's connection to its primary.
const standby = "standby"

// Standby makes and starts a server that has all that this one has, and waits until
// this one commits nothing that the other has not on its disk.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	of, err := s.copy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(of.Remove)
	s.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '"+standby+"'")
	s.Exec(t, "postgres", "SELECT pg_reload_conf()")
	s.await(t, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
	return of
}

// Promote makes a standby a primary of its own, and waits until it is one.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.Exec(t, "postgres", "SELECT pg_promote()")
	s.await(t, "SELECT NOT pg_is_in_recovery()")
}

// copy makes a standby and starts it.
func (s *Server) copy(ctx context.Context) (_ *Server, err error) {
	dir, err := os.MkdirTemp("", "kvclef-pg")
	if err != nil {
		return nil, err
	}
	of := &Server{Dir: dir, bin: s.bin}
	defer func() {
		if err != nil {
			of.Remove()
		}
	}()
	passwords := filepath.Join(dir, "pgpass")
	if err := os.WriteFile(passwords, fmt.Appendf(nil, "*:*:*:%s:%s\n", User, Password), 0o600); err != nil {
		return nil, err
	}
	if err := of.own(dir, passwords); err != nil {
		return nil, err
	}
	// The standby finds the password where its copy was told to.
	from := fmt.Sprintf("host=%s port=%d user=%s passfile=%s application_name=%s", s.Dir, s.Port, User, passwords, standby)
	backup := of.command(ctx, "pg_basebackup", "--pgdata="+of.data(), "--dbname="+from, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	if out, err := backup.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	if of.Port, err = freePort(ctx); err != nil {
		return nil, err
	}
	if err := of.Start(ctx); err != nil {
		return nil, err
	}
	return of, nil
}

// await waits until a query is answered with true.
func (s *Server) await(t testing.TB, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is written
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var yes bool
		if err := conn.QueryRow(ctx, query).Scan(&yes); err != nil {
			t.Fatal(errors.Join(err, ctx.Err()))
		}
		if yes {
			return
		}
		<-tick.C
	}
}
