//go:build linux

package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/postgres"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// catalog makes, as Citus does and in the same place, the tables that say what it distributes.
const catalog = `SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass NOT NULL, partmethod "char" NOT NULL);
CREATE TABLE pg_catalog.pg_dist_local_group (groupid integer NOT NULL);
CREATE TABLE pg_catalog.pg_dist_node (groupid integer NOT NULL, nodename text NOT NULL, nodeport integer NOT NULL, noderole text NOT NULL);
CREATE TABLE pg_catalog.pg_dist_schema (schemaid oid NOT NULL);
INSERT INTO pg_catalog.pg_dist_local_group VALUES (0);
INSERT INTO pg_catalog.pg_dist_node VALUES (0, 'chief', 5432, 'primary'), (1, 'other', 5433, 'primary');
GRANT SELECT ON pg_catalog.pg_dist_partition, pg_catalog.pg_dist_local_group, pg_catalog.pg_dist_node, pg_catalog.pg_dist_schema TO public;`

// saysCitus fails a test if an error does not tell of Citus, and of all this.
func saysCitus(t *testing.T, err error, want ...string) {
	t.Helper()
	if !errors.Is(err, postgres.ErrCitus) {
		t.Errorf("%v, want %v", err, postgres.ErrCitus)
	}
	for _, text := range want {
		if !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("%v\nwant: %q", err, text)
		}
	}
}

// opens is the error of opening a store.
func opens(t *testing.T, p place) error {
	t.Helper()
	store, err := postgres.Open(t.Context(), p.options())
	if err == nil {
		ok(t, store.Close())
	}
	return err
}

// distributed has a store with replicas in a database, distributes it by a statement, and has
// it refused to the replicas, to others and to kvclef init.
func distributed(t *testing.T, server *pgtest.Server, p place, database, statement string) {
	t.Helper()
	store, busy := open(t, p.options()), open(t, p.options())
	_, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	ok(t, store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte("1")}))
	server.Exec(t, database, fmt.Sprintf("SET search_path = %q; ", p.schema)+statement)

	want := []string{fmt.Sprintf("%q", p.schema), "stop all replicas, pg_dump"}
	saysCitus(t, opens(t, p), want...)
	_, err = postgres.Migrate(t.Context(), p.dsn, p.schema)
	saysCitus(t, err, want...)

	saysCitus(t, busy.SweepOnce(), want...) // without a new connection
	server.Exec(t, database, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'kvclef/%'")
	for _, one := range []*postgres.Store{store, busy} {
		for range 2 {
			_, err = one.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
			saysCitus(t, err, want...)
		}
		saysCitus(t, one.Ping(t.Context()), want...)
	}
}

// TestCitusCatalog: what the catalog of Citus says is heeded, with the rights of a role that may
// do no more than docs/postgres.md grants.
func TestCitusCatalog(t *testing.T) {
	server := shared.Start(t)
	database := server.Database(t)
	server.Exec(t, database, catalog+"CREATE ROLE cited LOGIN PASSWORD 'cited'")
	p := place{server.DSN(database), postgres.DefaultSchema}
	_, err := postgres.Migrate(t.Context(), p.dsn, p.schema)
	ok(t, err)
	other := newStoreAt(t, p.dsn)
	server.Exec(t, database, strings.ReplaceAll(grants, "app", "cited"))
	t.Cleanup(func() { server.Exec(t, database, "DROP OWNED BY cited; DROP ROLE cited") })
	p.dsn = strings.NewReplacer("user=kvclef", "user=cited", pgtest.Password, "cited").Replace(p.dsn)

	server.Exec(t, database, "SET allow_system_table_mods = on; REVOKE SELECT ON pg_catalog.pg_dist_partition FROM public")
	if err := opens(t, p); err == nil || !strings.Contains(err.Error(), "permission denied for table pg_dist_partition") {
		t.Errorf("what can't be read: %v", err)
	}
	server.Exec(t, database, "SET allow_system_table_mods = on; GRANT SELECT ON pg_catalog.pg_dist_partition TO public")
	distributed(t, server, p, database, "INSERT INTO pg_dist_partition SELECT oid, 'n' FROM pg_class WHERE relname = 'records' AND relnamespace = 'kvclef'::regnamespace")
	ok(t, opens(t, other)) // its tables are ordinary

	server.Exec(t, database, "UPDATE pg_dist_local_group SET groupid = 1")
	saysCitus(t, opens(t, other), "worker", "chief:5432")
	_, err = postgres.Migrate(t.Context(), server.DSN(database), "another")
	saysCitus(t, err, "worker", "chief:5432")
}

// TestCitusElsewhere: a table that has the name of Citus's, and is not its, says nothing.
func TestCitusElsewhere(t *testing.T) {
	server := shared.Start(t)
	database := server.Database(t)
	p := newStoreAt(t, server.DSN(database))
	server.Exec(t, database, fmt.Sprintf("CREATE TABLE public.pg_dist_partition (logicalrelid regclass); CREATE TABLE %q.pg_dist_partition (logicalrelid regclass)", p.schema))
	ok(t, opens(t, p))
}

// TestCitus has a cluster: a store is in ordinary tables of the coordinator, and nowhere else.
func TestCitus(t *testing.T) {
	long(t)
	coordinator, worker := shared.Start(t).Citus(t)
	dsn := coordinator.DSN("postgres")
	const tables = `VALUES ('format'), ('clock'), ('sessions'), ('counters'), ('charges'), ('holds'), ('records'), ('removed'),
		('records_size'), ('storage'), ('storage_size'), ('attestations'), ('log_heads')`
	for name, statement := range map[string]string{
		"schema":           `SELECT citus_schema_distribute(quote_ident(current_schema())::regnamespace)`,
		"reference tables": `SELECT create_reference_table(t.n::regclass) FROM (` + tables + `) AS t (n)`,
		"one managed":      `SELECT citus_add_local_table_to_metadata('format')`,
		"one by hash":      `SELECT create_distributed_table('records', 'key', shard_count := 4)`,
	} {
		t.Run(name, func(t *testing.T) {
			distributed(t, coordinator, newStoreAt(t, dsn), "postgres", statement)
		})
	}
	ordinary := newStoreAt(t, dsn)
	stores := openSeveral(t, ordinary, 2, nil)
	id, err := stores[0].Hold(t.Context(), []rules.Charge{charge("a", 1, 9)})
	ok(t, err)
	ok(t, stores[1].Commit(t.Context(), id))

	for _, setting := range []string{"citus.enable_schema_based_sharding", "citus.use_citus_managed_tables"} {
		schema := strings.ReplaceAll(setting, ".", " ")
		_, err := postgres.Migrate(t.Context(), dsn+" options='-c "+setting+"=on'", schema)
		saysCitus(t, err, "ALTER ROLE kvclef SET "+setting+" = off")
		m, err := postgres.Migrate(t.Context(), dsn, schema) // it left nothing behind
		ok(t, err)
		if m.From != 0 || m.To != postgres.Version {
			t.Errorf("%s: %+v", setting, m)
		}
	}
	coordinator.Exec(t, "postgres", "CREATE SCHEMA empty; SELECT citus_schema_distribute('empty')")
	_, err = postgres.Migrate(t.Context(), dsn, "empty")
	saysCitus(t, err, `"empty"`, "drop the schema")

	at := fmt.Sprintf("127.0.0.1:%d", coordinator.Port)
	here := place{worker.DSN("postgres"), ordinary.schema} // the schema is there, and empty
	saysCitus(t, opens(t, here), "worker", at)
	_, err = postgres.Migrate(t.Context(), here.dsn, here.schema)
	saysCitus(t, err, "worker", at)
}
