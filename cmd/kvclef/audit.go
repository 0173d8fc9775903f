package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/extapi/audit"
)

func (p *program) auditCommand() *cli.Command {
	return &cli.Command{
		Name:      "audit",
		Usage:     "verify, read and export the audit log",
		UsageText: "kvclef audit COMMAND [arguments] [flags]",
		Description: examples(
			"is the log as it was written", "kvclef audit verify --datadir /var/lib/kvclef",
			"what is being signed", "kvclef audit tail -f --datadir /var/lib/kvclef",
			"what became of a request", "kvclef audit show 42 --datadir /var/lib/kvclef",
			"a month as a table", "kvclef audit export --from 2026-11-01 --to 2026-12-01 --format csv -o november.csv",
		) + "\n\nThese commands only read, and work while the signer runs.",
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			p.auditVerifyCommand(), p.auditTailCommand(), p.auditShowCommand(), p.auditExportCommand(),
		},
		Action: action(func(*cli.Context) error {
			return usagef("audit needs a command: verify, tail, show or export; see kvclef audit --help")
		}),
	}
}

// auditFlags are those of every command on the log.
func auditFlags(more ...cli.Flag) []cli.Flag {
	return append(append([]cli.Flag{
		stringFlag(categoryGeneral, "config", "YAML `FILE` with the configuration, which may name the log", ""),
		stringFlag(categoryGeneral, "auditlog", "`FILE` that the signer was given by its flag of this name", "audit.log in --datadir"),
	}, dataFlags("~/.kvclef")...), more...)
}

// auditFile returns the log that a command is about: its argument, which
// follows the given number of others, or else the one that a signer with the
// same configuration writes.
func auditFile(c *cli.Context, others int) (string, error) {
	if c.NArg() > others+1 {
		return "", usagef("%s: %q is one argument too many; usage: %s", commandName(c), c.Args().Get(others+1), c.Command.UsageText)
	}
	if file := c.Args().Get(others); file != "" {
		return file, nil
	}
	cfg, err := settings(c)
	if err != nil {
		return "", err
	}
	if cfg.Audit.File != "" {
		return expandHome(cfg.Audit.File, "auditlog")
	}
	path, err := dataDir(cfg)
	if err != nil {
		return "", err
	}
	dir, err := datadir.Find(path)
	if err != nil {
		return "", usagef("%w, name it by --datadir, or give the log's FILE", missingDir(c.Context, cfg, err))
	}
	return dir.AuditLog(), nil
}

// auditError adds the remedy to what went wrong with reading a log.
func auditError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("%w: give the log's FILE, or the folder that it is in by --datadir", err)
	}
	return err
}

// journaled returns the newest entry in a log's journal, which is read before the log. One
// that is closed to who looks at the log is left to others.
func journaled(path string) (uint64, error) {
	newest, err := audit.Journaled(path)
	if errors.Is(err, fs.ErrPermission) {
		return 0, nil
	}
	return newest, err
}

// wholeLog returns all entries of a log, from its first. It is an error if its journal has
// more.
func wholeLog(ctx context.Context, path string) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		newest, journalErr := journaled(path)
		last := uint64(0)
		for record, err := range audit.Entries(ctx, path, 1) {
			if err == nil && last == 0 && record.Entry.Seq != 1 {
				err = fmt.Errorf("the log begins with entry %d: bring back the segments before %s", record.Entry.Seq, record.File)
			}
			if err != nil {
				yield(audit.Record{}, auditError(err))
				return
			}
			last = record.Entry.Seq
			if !yield(record, nil) {
				return
			}
		}
		if err := cmp.Or(journalErr, audit.Behind(path, last, newest)); err != nil {
			yield(audit.Record{}, err)
		}
	}
}
