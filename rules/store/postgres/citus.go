package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Citus makes one database of several servers. Tables that it was told to distribute, or to
// manage, are in pieces, which sessions of their own read and change: of a function of the
// store that fails a part may have been done, and its locks don't bind there. Two connections
// to the coordinator see nothing of it. Citus has a list of these tables in its catalog, which
// every role may read.
const hasCitus = "to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL"

// rowQueryer is a connection or a transaction.
type rowQueryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// ordinary refuses a schema with tables that Citus knows of, and a server of the cluster that
// is not its coordinator: what is made there is not what the others of the cluster see.
func ordinary(ctx context.Context, q rowQueryer, schema string) error {
	var tables int
	var table, coordinator string
	var worker bool
	err := q.QueryRow(ctx, `SELECT t.n, t.name, EXISTS (SELECT FROM pg_catalog.pg_dist_local_group WHERE groupid <> 0),
		coalesce((SELECT min(format(', which is %s:%s', nodename, nodeport)) FROM pg_catalog.pg_dist_node WHERE groupid = 0 AND noderole = 'primary'), '')
		FROM (SELECT count(*), coalesce(min(c.relname), '')
			FROM pg_catalog.pg_dist_partition p JOIN pg_catalog.pg_class c ON c.oid = p.logicalrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = $1) AS t (n, name)`, schema).
		Scan(&tables, &table, &worker, &coordinator)
	switch {
	case err != nil:
		return fmt.Errorf("finding out in pg_dist_partition, pg_dist_local_group and pg_dist_node, which every role may read by default, what Citus does with the schema %q: %w", schema, err)
	case tables > 0:
		return fmt.Errorf("%w: Citus distributes or manages tables of the schema %q (%d, such as %s); what fails at the coordinator may have been done on another server all the same, and locks don't bind there: "+
			"stop all replicas, pg_dump the schema at the coordinator, and restore it where it is not distributed", ErrCitus, schema, tables, table)
	case worker:
		return fmt.Errorf("%w: this server is a worker: name the coordinator%s", ErrCitus, coordinator)
	}
	return nil
}

// inCitus tells whether Citus is in the database, and refuses what ordinary does.
func inCitus(ctx context.Context, q rowQueryer, schema string) (citus bool, err error) {
	if err = q.QueryRow(ctx, "SELECT "+hasCitus).Scan(&citus); err != nil || !citus {
		return false, err
	}
	return true, ordinary(ctx, q, schema)
}

// stayOrdinary looks whether the tables are still ordinary: connections that are busy last for an
// hour, and would go on.
func (s *Store) stayOrdinary() error {
	err := s.inStep(func(ctx context.Context) error {
		_, err := inCitus(ctx, s.work, s.options.Schema)
		return err
	})
	if errors.Is(err, ErrCitus) {
		return s.breakUp(err)
	}
	return err
}

// ordinaryToBe refuses to make tables that Citus would have its way with. In a schema that it
// distributes they would fail for a reason that tells nobody anything.
func ordinaryToBe(ctx context.Context, tx pgx.Tx, schema string) error {
	const (
		sharding = "citus.enable_schema_based_sharding"
		managing = "citus.use_citus_managed_tables"
		off      = "turn it off for the role that makes the store, ALTER ROLE %s SET %s = off"
	)
	var bySchema, managed, distributed bool
	var role string
	err := tx.QueryRow(ctx, `SELECT to_regclass('pg_catalog.pg_dist_schema') IS NOT NULL, quote_ident(current_user), coalesce(current_setting($1, true), '') = 'on'`, managing).
		Scan(&bySchema, &role, &managed)
	if err == nil && bySchema { // since Citus 12
		err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_schema d JOIN pg_catalog.pg_namespace n ON n.oid = d.schemaid WHERE n.nspname = $1)`, schema).
			Scan(&distributed)
	}
	switch {
	case err != nil:
		return fmt.Errorf("finding out whether Citus distributes the schema %q: %w", schema, err)
	case distributed:
		return fmt.Errorf("%w: Citus distributes the schema %q, as all that are made while "+sharding+" is on: "+off+", and drop the schema if it is there already", ErrCitus, schema, role, sharding)
	case managed:
		return fmt.Errorf("%w: Citus manages all tables that are made while "+managing+" is on: "+off, ErrCitus, role, managing)
	}
	return nil
}
