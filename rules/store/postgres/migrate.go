package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrations embed.FS

// files are the migrations: the one at i brings version i to i+1.
func files() []string { return []string{"0001_store.sql", "0002_sweep.sql"} }

// Migration is what [Migrate] did.
type Migration struct{ From, To int } // versions; From is 0 if there was no store

// Migrate makes a store in a schema of a database, or brings one of an older
// version to this one, in one transaction. Several may do it at once. It is made
// on purpose: processes of older versions do not open the store any more. The role
// must be one that may make tables; [Open] needs less.
func Migrate(ctx context.Context, dsn, schema string) (Migration, error) {
	if schema == "" {
		schema = DefaultSchema
	}
	if err := checkSchema(schema); err != nil {
		return Migration{}, err
	}
	config, err := parse(dsn)
	if err != nil {
		return Migration{}, err
	}
	if config.ConnConfig.ConnectTimeout <= 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.ConnConfig.OnNotice = noticed
	where := place(config, schema)
	m, err := connectAndMigrate(ctx, config.ConnConfig, schema)
	if err != nil {
		return Migration{}, fmt.Errorf("making the store at %s: %w", where, err)
	}
	return m, nil
}

func connectAndMigrate(ctx context.Context, config *pgx.ConnConfig, schema string) (Migration, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Migration{}, err
	}
	defer closeSoon(ctx, conn)
	if err := proveBefore(ctx, conn, config); err != nil {
		return Migration{}, fmt.Errorf("finding out whether the database keeps locks: %w", err)
	}
	return migrate(ctx, conn, schema)
}

// proveBefore keeps from making a store that would not be opened.
func proveBefore(ctx context.Context, conn *pgx.Conn, config *pgx.ConnConfig) error {
	limit := patience{limit: DefaultTimeout}
	var another *pgx.Conn
	err := limit.step(ctx, func(ctx context.Context) (err error) {
		another, err = pgx.ConnectConfig(ctx, config)
		return err
	})
	if err != nil {
		return err
	}
	defer closeSoon(ctx, another)
	return prove(ctx, another, conn, limit)
}

// closeSoon closes a connection, and does not wait long for the database to know.
func closeSoon(ctx context.Context, conn *pgx.Conn) {
	gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(gone)
}

func migrate(ctx context.Context, conn *pgx.Conn, schema string) (Migration, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return Migration{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1), set_config('search_path', $2, true), set_config('synchronous_commit', 'on', true),
		set_config('client_min_messages', 'warning', true)`,
		lockKey("kvclef migrates", schema), ident(schema)+", pg_temp"); err != nil {
		return Migration{}, err
	}
	citus, err := inCitus(ctx, tx, schema)
	if err != nil {
		return Migration{}, err
	}
	var m Migration
	if m.From, err = versionOf(ctx, tx, schema); err != nil {
		return Migration{}, err
	}
	if m.From == 0 {
		var exists bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&exists); err != nil {
			return Migration{}, err
		}
		if !exists { // whoever may make no schema may be given one
			if _, err := tx.Exec(ctx, "CREATE SCHEMA "+ident(schema)); err != nil {
				return Migration{}, err
			}
		}
	}
	if citus && m.From < version {
		if err := ordinaryToBe(ctx, tx, schema); err != nil {
			return Migration{}, err
		}
	}
	m.To = m.From
	for ; m.To < version; m.To++ {
		text, err := migrations.ReadFile("migrations/" + files()[m.To])
		if err != nil {
			return Migration{}, err
		}
		if _, err := tx.Exec(ctx, string(text)); err != nil {
			return Migration{}, fmt.Errorf("%s: %w", files()[m.To], err)
		}
		if _, err := tx.Exec(ctx, "UPDATE format SET version = $1", m.To+1); err != nil {
			return Migration{}, err
		}
	}
	if _, err := inCitus(ctx, tx, schema); err != nil { // whatever made the tables something else
		return Migration{}, err
	}
	return m, commits(conn, func() error { return tx.Commit(ctx) })
}

// versionOf is 0 for a schema that is empty, or not there.
func versionOf(ctx context.Context, tx pgx.Tx, schema string) (int, error) {
	var here, filled, standby bool
	err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL,
		EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2), pg_is_in_recovery()`,
		ident(schema)+".format", schema).Scan(&here, &filled, &standby)
	switch {
	case err != nil:
		return 0, err
	case standby:
		return 0, ErrStandby
	case !here && filled:
		return 0, fmt.Errorf("%w: the schema has other tables: name another schema", ErrForeign)
	case !here:
		return 0, nil
	}
	var found int
	var format string
	err = tx.QueryRow(ctx, "SELECT format, version FROM format").Scan(&format, &found)
	switch {
	case errors.Is(err, pgx.ErrNoRows), hasCode(err, codeUndefinedTable, "42703", "42804"), err == nil && (format != "kvclef" || found < 1):
		return 0, fmt.Errorf("%w: name another schema", ErrForeign)
	case err != nil:
		return 0, err
	case found > version:
		return 0, fmt.Errorf("%w: it has version %d, and this kvclef knows %d: use a newer kvclef", ErrNewer, found, version)
	}
	return found, nil
}
