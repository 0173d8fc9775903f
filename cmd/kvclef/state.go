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
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

func (p *program) stateCommand() *cli.Command {
	return &cli.Command{
		Name:      "state",
		Usage:     "show and back up the durable state",
		UsageText: "kvclef state COMMAND [arguments] [flags]",
		Description: examples(
			"what was spent of limits, and what the rule file keeps", "kvclef state show --values",
			"a copy, also while the signer runs", "kvclef state backup kvclef-backup.db",
		),
		HideHelpCommand: true,
		Subcommands:     []*cli.Command{p.stateShowCommand(), p.stateBackupCommand()},
		Action: action(func(*cli.Context) error {
			return usagef("state needs a command: show or backup; see kvclef state --help")
		}),
	}
}

func (p *program) stateShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show what the state holds",
		UsageText: "kvclef state show [FILE] [--datadir DIR] [--values] [--json]",
		Description: examples(
			"the signer's, also while it runs", "kvclef state show",
			"with all that the rule file keeps", "kvclef state show --values",
			"a backup", "kvclef state show kvclef-backup.db",
		) + "\n\nIt changes nothing. Of a damaged file it shows what can be read, and ends with exit code 1.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.BoolFlag{Name: "values", Usage: "show the values that the rule file keeps, too", DisableDefaultText: true},
			jsonFlag(),
		}),
		Action: action(p.stateShow),
	}
}

func (p *program) stateShow(c *cli.Context) error {
	if c.NArg() > 1 {
		return usagef("state show: %q is one argument too many; usage: %s", c.Args().Get(1), c.Command.UsageText)
	}
	path, shown := c.Args().First(), shownState{}
	if path == "" {
		dir, err := p.findDataDir(c)
		if err != nil {
			return err
		}
		path, shown.Running = dir.Store(), isRunning(c.Context, dir)
	}
	summary, err := bolt.Inspect(c.Context, path, time.Now(), c.Bool("values"))
	if errors.Is(err, bolt.ErrMissing) || errors.Is(err, bolt.ErrForeign) || errors.Is(err, bolt.ErrNewer) {
		return &usageError{err}
	}
	if summary == nil || summary.Version == 0 { // nothing could be read
		return err
	}
	shown.Summary = summary
	if c.Bool("json") {
		return errors.Join(p.printJSON(shown), err)
	}
	return errors.Join(p.printf("%s", shown), err)
}

// findDataDir returns the data directory that a command looks into.
func (p *program) findDataDir(c *cli.Context) (datadir.Dir, error) {
	cfg, err := settings(c)
	if err != nil {
		return datadir.Dir{}, err
	}
	path, err := dataDir(cfg)
	if err != nil {
		return datadir.Dir{}, err
	}
	dir, err := datadir.Find(path)
	if err != nil {
		return datadir.Dir{}, &usageError{err}
	}
	return dir, nil
}

func isRunning(ctx context.Context, dir datadir.Dir) bool {
	_, err := admin.Connect(ctx, dir.AdminSocket())
	return err == nil
}

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
	dir, err := p.findDataDir(c)
	if err != nil {
		return err
	}
	if args[0] == "-" {
		_, err := backup(c.Context, dir, p.stdout)
		return err
	}
	size, err := backupFile(c.Context, dir, args[0])
	if err != nil {
		return err
	}
	return p.printf("%s  %d bytes\n", args[0], size)
}

// backup writes a copy of the store: the running signer's, which alone may have
// it open, or else by opening it.
func backup(ctx context.Context, dir datadir.Dir, w io.Writer) (int64, error) {
	switch client, err := admin.Connect(ctx, dir.AdminSocket()); {
	case err == nil:
		return client.Backup(ctx, w)
	case !errors.Is(err, admin.ErrNotRunning):
		return 0, err
	}
	store, err := openStore(ctx, dir, bolt.Options{})
	if err != nil {
		return 0, err
	}
	n, err := store.Backup(w)
	return n, errors.Join(err, store.Close())
}

// backupFile makes a durable copy, for its owner alone, and checks it. A copy
// that is none is removed.
func backupFile(ctx context.Context, dir datadir.Dir, path string) (size int64, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return 0, usagef("%s exists already: a backup takes no other's place; give another name", path)
	}
	if err != nil {
		return 0, usagef("making the backup: %w", err)
	}
	size, err = backup(ctx, dir, file)
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
