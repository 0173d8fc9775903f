package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules/store"
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
			"give up what a lost audit log has, after a crash", "kvclef state forget --entry 1234",
		),
		HideHelpCommand: true,
		Subcommands:     []*cli.Command{p.stateShowCommand(), p.stateBackupCommand(), p.stateForgetCommand()},
		Action: action(func(*cli.Context) error {
			return usagef("state needs a command: show, backup or forget; see kvclef state --help")
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
			"with all values that it keeps", "kvclef state show --values",
			"a backup", "kvclef state show kvclef-backup.db",
		) + "\n\nIt changes nothing. Of a damaged file it shows what can be read, and ends with exit code 1.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.BoolFlag{Name: "values", Usage: "show the values that the rule file keeps and those of records, too", DisableDefaultText: true},
			jsonFlag(),
		}),
		Action: action(p.stateShow),
	}
}

func (p *program) stateShow(c *cli.Context) error {
	if c.NArg() > 1 {
		return usagef("state show: %q is one argument too many; usage: %s", c.Args().Get(1), c.Command.UsageText)
	}
	shown, err := p.look(c)
	var usage *usageError
	if err = stateError(err); errors.As(err, &usage) {
		return err
	}
	if shown.Summary == nil || shown.Version == 0 { // nothing could be read
		return err
	}
	if c.Bool("json") {
		return errors.Join(p.printJSON(shown), err)
	}
	return errors.Join(p.printf("%s", shown), err)
}

// look reads the store of the data directory, or the file that is named. A
// running signer's may change faster than it is read, so that a copy is read.
// With an error comes what could be read.
func (p *program) look(c *cli.Context) (shown shownState, err error) {
	if file := c.Args().First(); file != "" {
		shown.Summary, err = bolt.Inspect(c.Context, file, time.Now(), c.Bool("values"))
		return shown, err
	}
	return p.lookAtData(c)
}

// lookAtData reads the store of the data directory.
func (p *program) lookAtData(c *cli.Context) (shown shownState, err error) {
	cfg, dir, err := p.findState(c)
	if err != nil {
		return shown, err
	}
	shown.Summary, shown.Running, err = lookAt(c.Context, cfg, dir, c.Bool("values"))
	if cfg.Store.Postgres.Enabled() {
		return shown, err
	}
	return shown, storeError(c.Context, cfg, dir, err)
}

// lookAt reads the store of a data directory, and tells whether a signer runs on it.
func lookAt(ctx context.Context, cfg *config.Config, dir datadir.Dir, values bool) (summary *store.Summary, running bool, err error) {
	client, err := admin.Connect(ctx, dir.AdminSocket())
	running = err == nil
	if running && !cfg.Store.Postgres.Enabled() {
		if summary, err = lookAtCopy(ctx, client, values); err == nil {
			summary.Path = dir.Store()
			return summary, true, nil
		}
	}
	summary, err = inspectState(ctx, cfg, dir, values)
	return summary, running, err
}

func lookAtCopy(ctx context.Context, client *admin.Client, values bool) (_ *store.Summary, err error) {
	file, err := os.CreateTemp("", "kvclef-state-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, copyErr := client.Backup(ctx, file)
	if err := errors.Join(copyErr, file.Close()); err != nil {
		return nil, err
	}
	return bolt.Inspect(ctx, file.Name(), time.Now(), values)
}

// findDataDir returns the data directory that a command looks into.
func (p *program) findDataDir(c *cli.Context) (datadir.Dir, error) {
	_, dir, err := p.findState(c)
	return dir, err
}

// findState returns the configuration, and the data directory, of a command that looks
// into the state.
func (p *program) findState(c *cli.Context) (*config.Config, datadir.Dir, error) {
	cfg, err := settings(c)
	if err != nil {
		return nil, datadir.Dir{}, err
	}
	path, err := dataDir(cfg)
	if err != nil {
		return nil, datadir.Dir{}, err
	}
	dir, err := datadir.Find(path)
	if err != nil {
		return nil, datadir.Dir{}, &usageError{missingDir(c.Context, cfg, err)}
	}
	return cfg, dir, nil
}
