package main

import (
	"cmp"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi/audit"
)

func (p *program) auditTailCommand() *cli.Command {
	return &cli.Command{
		Name:      "tail",
		Usage:     "show the last entries, a line each, and those to come",
		UsageText: "kvclef audit tail [FILE] [--datadir FOLDER] [-n NUMBER] [-f] [--json]",
		Description: examples(
			"the last 20 entries", "kvclef audit tail --datadir /var/lib/kvclef",
			"what comes, as it comes", "kvclef audit tail -n 0 -f",
			"what was refused", "kvclef audit tail -n 1000 --json | jq 'select(.verdict == \"reject\")'",
		) + "\n\nThe account is shortened, the recipient is not. What callers wrote is shown without the characters that" +
			"\nsteer a terminal. With --json a line is the line of the log, byte for byte.",
		Flags: auditFlags(
			&cli.IntFlag{Name: "lines", Aliases: []string{"n"}, Usage: "`NUMBER` of entries that are there to show", Value: 20},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what is written, until interrupted", DisableDefaultText: true},
			jsonFlag(),
		),
		Action: action(p.auditTail),
	}
}

func (p *program) auditTail(c *cli.Context) error {
	path, err := auditFile(c, 0)
	if err != nil {
		return err
	}
	lines := c.Int("lines")
	if lines < 0 {
		return usagef("--lines: %d is not a number of entries from 0", lines)
	}
	ctx := c.Context
	newest, journalErr := journaled(path)
	last, err := audit.Last(ctx, path)
	if err != nil && last == 0 {
		return auditError(err)
	} // else what is before the damage is shown, and then the damage
	from := last + 1 - min(last, uint64(lines))
	behind := cmp.Or(journalErr, audit.Behind(path, last, newest))
	entries := audit.Entries
	if c.Bool("follow") {
		entries = audit.Follow
		if behind != nil {
			p.sayf("kvclef: warning: %v", behind)
		}
		behind = nil
	}
	for record, err := range entries(ctx, path, from) {
		if c.Bool("follow") && ctx.Err() != nil {
			break // an interrupt is how following ends
		}
		if err != nil {
			return auditError(err)
		}
		text := auditLine(record.Entry)
		if c.Bool("json") {
			text = string(record.Raw)
		}
		if err := p.printf("%s\n", text); err != nil {
			return err
		}
	}
	return behind
}
