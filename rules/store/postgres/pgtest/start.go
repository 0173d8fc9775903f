//go:build linux

package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Shared is a server that the tests of a package share. Its zero value is one that
// is not started; TestMain calls Remove.
type Shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Start returns the server, and skips the test where there is none; where the
// environment variable CI is "true" it fails instead.
func (s *Shared) Start(t testing.TB) *Server {
	t.Helper()
	s.once.Do(func() { s.server, s.err = New(context.Background()) })
	return checked(t, s.server, s.err)
}

// Remove ends the server, if it was started.
func (s *Shared) Remove() {
	if s.server != nil {
		s.server.Remove()
	}
}

// Start returns a server of the test's own, which it may stop. It listens on the
// addresses besides loopback.
func Start(t testing.TB, addresses ...string) *Server {
	t.Helper()
	server, err := New(t.Context(), addresses...)
	server = checked(t, server, err)
	t.Cleanup(server.Remove)
	return server
}

func checked(t testing.TB, server *Server, err error) *Server {
	t.Helper()
	if errors.Is(err, errNone) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// Database makes an empty database and returns its name.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	var random [8]byte
	_, _ = rand.Read(random[:])
	name := "test_" + hex.EncodeToString(random[:])
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return name
}

// Exec makes statements in a database, as its superuser.
func (s *Server) Exec(t testing.TB, database, statements string) {
	t.Helper()
	ctx := context.Background() // also when a test ends
	conn, err := pgx.Connect(ctx, s.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(ctx, statements)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}
