package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
	"github.com/kvclef/kvclef/rules/store/postgres"
)

// stateStore is the durable state: a file of one signer, or a schema in a database that
// several share.
type stateStore interface {
	rules.Storage
	rules.Ledger
	rules.Meter
	rules.Records

	Attest(ctx context.Context, attestation rules.Attestation) error
	Attestation(ctx context.Context, kind rules.FileKind) (rules.Attestation, bool, error)
	KeepLogHead(ctx context.Context, head store.LogHead) error
	LogHeads(ctx context.Context) ([]store.LogHead, error)

	// Totals tells what counts against every counter, by name, and how many holds are
	// not settled, in time that does not grow with what they count.
	Totals(ctx context.Context) (counters []store.Counter, holds int, err error)

	Close() error
}

// storeWatch is told of what a store makes durable; the zero value is nobody. A file has
// one writer, which stops at points; to a database several transactions go at a time.
type storeWatch struct {
	hook      func(point string)
	committed func(took time.Duration)
}

// openStateStore opens the state that a configuration says. What can be mended by
// another configuration, or by kvclef init, is wrong usage.
func openStateStore(ctx context.Context, cfg *config.Config, dir datadir.Dir, log *slog.Logger, told storeWatch) (stateStore, error) {
	if !cfg.Store.Postgres.Enabled() {
		opened, err := openStore(ctx, cfg, dir, bolt.Options{Logger: log, Hook: told.hook})
		if err != nil {
			return nil, err
		}
		return opened, nil
	}
	opened, err := openPostgres(ctx, cfg, dir, log, told)
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// ownState refuses a data directory that has a state of its own, where the state is in a
// database: what was spent there would be forgotten.
func ownState(dir datadir.Dir) error {
	switch _, err := os.Stat(dir.Store()); {
	case err == nil:
		return usagef("%s is the state of a signer without store.postgres, and what it has spent of limits is not in the database: move it away if that does not matter any more", dir.Store())
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("looking for another state: %w", err)
	}
	return nil
}

// openPostgres opens the state in a database.
func openPostgres(ctx context.Context, cfg *config.Config, dir datadir.Dir, log *slog.Logger, told storeWatch) (*postgres.Store, error) {
	p := &cfg.Store.Postgres
	if err := ownState(dir); err != nil {
		return nil, err
	}
	dsn, err := p.ReadDSN()
	if err != nil {
		return nil, &usageError{err}
	}
	replica, err := cfg.ReplicaName()
	if err != nil {
		return nil, &usageError{err}
	}
	opened, err := postgres.Open(ctx, postgres.Options{
		DSN: dsn, Schema: p.Schema, Replica: replica, Logger: log, Conns: p.MaxConnections, Timeout: p.Timeout, Committed: told.committed,
	})
	if errors.Is(err, postgres.ErrMissing) {
		if lost := lostState(ctx, cfg, dir, databasePlace(cfg)); lost != nil {
			return nil, lost
		}
	}
	if err != nil {
		return nil, stateError(err)
	}
	for _, warning := range opened.Warnings() {
		log.WarnContext(ctx, "The database of the state is not as it should be", "warning", warning)
	}
	return opened, nil
}

// stateError marks the errors of a store that is not there or not ours.
func stateError(err error) error {
	for _, usage := range []error{store.ErrMissing, store.ErrForeign, store.ErrOlder, store.ErrNewer, postgres.ErrUnsafe, postgres.ErrLocks, postgres.ErrCitus} {
		if errors.Is(err, usage) {
			return &usageError{err}
		}
	}
	return err
}

// makeState makes the state that a configuration says, where it is missing. Old is the
// version of one that was there, 0 if none was.
func makeState(ctx context.Context, cfg *config.Config, dir datadir.Dir) (place string, old, made int, err error) {
	p := &cfg.Store.Postgres
	if !p.Enabled() {
		return datadir.Absolute(dir.Store()), 0, 0, bolt.Create(dir.Store())
	}
	dsn, err := p.ReadDSN()
	if err != nil {
		return "", 0, 0, &usageError{err}
	}
	migration, err := postgres.Migrate(ctx, dsn, p.Schema)
	return databasePlace(cfg), migration.From, migration.To, stateError(err)
}

// inspectState reads what a state holds, which it does not change.
func inspectState(ctx context.Context, cfg *config.Config, dir datadir.Dir, values bool) (summary *store.Summary, err error) {
	if !cfg.Store.Postgres.Enabled() {
		return bolt.Inspect(ctx, dir.Store(), time.Now(), values)
	}
	opened, err := openPostgres(ctx, cfg, dir, slog.New(slog.DiscardHandler), storeWatch{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }() //nolint:contextcheck // what is open is closed in any case
	return opened.Summary(ctx, values)
}

// shared is what the state has besides that several signers use; nil if one does.
func (d *durable) shared() rules.Shared {
	shared, _ := d.store.(rules.Shared)
	return shared
}

// errNoBackup is for a state that is not copied here.
var errNoBackup = errors.New("the state is in PostgreSQL, which makes its own backups: pg_dump or its archive, see docs/postgres.md")

// withoutBackup is a state that is not copied here.
type withoutBackup struct{ stateStore }

// Backup refuses.
func (withoutBackup) Backup(io.Writer) (int64, error) { return 0, errNoBackup }

// ofAdmin is what the admin socket does with a state.
func ofAdmin(state stateStore) admin.Store {
	if copied, ok := state.(admin.Store); ok {
		return copied
	}
	return withoutBackup{state}
}
