//go:build linux

package pgtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Citus starts a cluster of Citus, of the test's own: a coordinator and a worker, with the
// extension in their database postgres. It skips the test where the server has no Citus:
// Debian has no package of it.
func (s *Server) Citus(t testing.TB) (coordinator, worker *Server) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // nothing is written
	var has bool
	if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'citus')").Scan(&has); err != nil {
		t.Fatal(err)
	}
	if !has {
		t.Skip("the PostgreSQL server has no Citus: build it from source")
	}
	coordinator, worker = s.node(t), s.node(t)
	coordinator.Exec(t, "postgres", fmt.Sprintf("SELECT citus_set_coordinator_host('127.0.0.1', %d)", coordinator.Port))
	coordinator.Exec(t, "postgres", fmt.Sprintf("SELECT citus_add_node('127.0.0.1', %d)", worker.Port))
	return coordinator, worker
}

// node is a server that may be of a cluster.
func (s *Server) node(t testing.TB) *Server {
	t.Helper()
	node := &Server{
		bin: s.bin,
		env: []string{"PGPASSWORD=" + Password}, // for the others of the cluster
		settings: []string{
			"shared_preload_libraries=citus", "wal_level=logical", "max_prepared_transactions=50",
			"citus.node_conninfo=sslmode=disable", "citus.enable_statistics_collection=off",
		},
	}
	if err := node.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Remove)
	node.Exec(t, "postgres", "CREATE EXTENSION citus")
	return node
}
