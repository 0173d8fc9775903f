package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

func (p *program) stateBackupCommand() *cli.Command {
	return &cli.Command{
		Name:      "backup",
		Usage:     "copy the state, also while the signer runs",
		UsageText: "kvclef state backup FILE [--datadir DIR]",
		Description: examples(
			"every night", `kvclef state backup /backup/kvclef-$(date +%F).db`,
			"elsewhere", "kvclef state backup - | ssh backup 'cat > kvclef.db'",
		) + "\n\nFILE must not exist; - is the standard output. The copy is checked. To go back to it, stop the" +
			"\nsigner and put it in the place of state.db, mode 0600: what was spent since is forgotten then.",
		Flags:  slices.Concat(generalFlags(), dataFlags("~/.kvclef")),
		Action: action(p.stateBackup),
	}
}

func (p *program) stateBackup(c *cli.Context) error {
	args, err := arguments(c, "FILE")
	if err != nil {
		return err
	}
	cfg, dir, err := p.findState(c)
	if err != nil {
		return err
	}
	if cfg.Store.Postgres.Enabled() {
		return &usageError{errNoBackup}
	}
	if args[0] == "-" {
		_, err := backup(c.Context, cfg, dir, p.stdout)
		return err
	}
	size, err := backupFile(c.Context, cfg, dir, args[0])
	if err != nil {
		return err
	}
	return p.printf("%s  %d bytes\n", args[0], size)
}

// backup writes a copy of the store: the running signer's, which alone may have
// it open, or else by opening it.
func backup(ctx context.Context, cfg *config.Config, dir datadir.Dir, w io.Writer) (int64, error) {
	switch client, err := admin.Connect(ctx, dir.AdminSocket()); {
	case err == nil:
		return client.Backup(ctx, w)
	case !errors.Is(err, admin.ErrNotRunning):
		return 0, err
	}
	n, err := bolt.Copy(dir.Store(), w)
	return n, storeError(ctx, cfg, dir, err)
}

// backupFile makes a durable copy, for its owner alone, and checks it. A copy
// that is none is removed.
func backupFile(ctx context.Context, cfg *config.Config, dir datadir.Dir, path string) (size int64, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return 0, usagef("%s exists already: a backup takes no other's place; give another name", path)
	}
	if err != nil {
		return 0, usagef("making the backup: %w", err)
	}
	size, err = backup(ctx, cfg, dir, file)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		_, err = bolt.Inspect(ctx, path, time.Now(), false)
	}
	if err == nil {
		err = datadir.Sync(filepath.Dir(path))
	}
	if err != nil {
		return 0, errors.Join(err, os.Remove(path))
	}
	return size, nil
}
