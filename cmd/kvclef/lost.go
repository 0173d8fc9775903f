package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/extapi/audit"
)

// noState is that a data directory has no state: kvclef init was not run, or the state was
// lost, which the audit log tells apart.
func noState(ctx context.Context, cfg *config.Config, dir datadir.Dir) error {
	if lost := lostState(ctx, cfg, dir, datadir.Absolute(dir.Store())); lost != nil {
		return lost
	}
	return usagef("the data directory %s has no state: make it with kvclef init%s", datadir.Absolute(dir.Path()), placeFlags(cfg.Place, dir))
}

// lostState returns an error if a state that is not there was lost: an audit log with
// entries is of a signer that counted its limits in one. Nobody is told to make a new one to
// get going, since each does what was spent away.
func lostState(ctx context.Context, cfg *config.Config, dir datadir.Dir, state string) error {
	path, entries, err := logOf(ctx, cfg, dir)
	if path == "" {
		return err
	}
	if entries == "" {
		return nil
	}
	return &usageError{&lostError{state, path, entries}}
}

// lostError is that a state was lost.
type lostError struct{ state, log, entries string }

func (e *lostError) Error() string {
	return fmt.Sprintf("there is no state at %s, and the audit log %s %s: what was spent of limits was in the state, and a new one would forget it. "+
		"Look whether the path is right. If the state is lost, put back a copy of it as docs/operations.md#backup says; "+
		"without a copy do as docs/operations.md#the-state-is-lost-or-damaged says, where kvclef init --forget-limits is a step", e.state, e.log, e.entries)
}

// logOf returns where the audit log is, "" with an error, and what it has, "" for no
// entries. A log that can't be read may have some.
func logOf(ctx context.Context, cfg *config.Config, dir datadir.Dir) (path, has string, err error) {
	if path, err = auditPath(cfg, dir); err != nil {
		return "", "", err
	}
	path = datadir.Absolute(path)
	switch last, err := lastOf(ctx, path); {
	case err != nil:
		return path, "can't be read to its end", nil //nolint:nilerr // it is told with what is about it
	case last == 0:
		return path, "", nil
	default:
		return path, fmt.Sprintf("has entries, up to %d", last), nil
	}
}

// lastOf returns the number of the last entry of an audit log, with what a crash has left in
// its journal, 0 if there is none. With an error it is the last one that can be read.
func lastOf(ctx context.Context, path string) (uint64, error) {
	newest, journalErr := audit.Journaled(path)
	last, err := audit.Last(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return max(last, newest), errors.Join(err, journalErr)
}

// mayBegin refuses to make a state in the place of one that was lost.
func mayBegin(ctx context.Context, cfg *config.Config, dir datadir.Dir) error {
	if cfg.Store.Postgres.Enabled() {
		return mayBeginShared(ctx, cfg, dir)
	}
	if _, err := os.Stat(dir.Store()); !errors.Is(err, fs.ErrNotExist) {
		return nil // there is one, or it is told when it is made
	}
	return lostState(ctx, cfg, dir, datadir.Absolute(dir.Store()))
}

// mayBeginShared asks the database only if the log has entries: as a rule there are none
// yet, and the role that makes the schema is not the one that uses it.
func mayBeginShared(ctx context.Context, cfg *config.Config, dir datadir.Dir) error {
	if lostState(ctx, cfg, dir, databasePlace(cfg)) == nil {
		return nil
	}
	opened, err := openPostgres(ctx, cfg, dir, slog.New(slog.DiscardHandler), storeWatch{})
	var lost *lostError
	switch {
	case err == nil:
		return opened.Close() //nolint:contextcheck // what is open is closed in any case
	case errors.As(err, &lost):
		return err
	default:
		return nil // it is told when the schema is made, or an older one is brought up
	}
}

// databasePlace names the schema of a state that several signers share.
func databasePlace(cfg *config.Config) string {
	return "PostgreSQL, schema " + cfg.Store.Postgres.Schema
}
