package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/extapi/audit"
)

func (p *program) auditVerifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check that the log is as it was written",
		UsageText: "kvclef audit verify [FILE]... [--datadir FOLDER] [--checkpoint SEQ:HASH|FILE]... [--checkpoint-key ADDRESS]... [--json]",
		Description: examples(
			"the log of a data directory", "kvclef audit verify --datadir /var/lib/kvclef",
			"is all still there that was there last month", "kvclef audit verify --checkpoint 4711:6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090",
			"only checkpoints of one key count", "kvclef audit verify --checkpoint-key 0x71562b71999873DB5b286dF957af199Ec94617F7",
			"the logs of all replicas, and what people approved at any of them", "kvclef audit verify a/audit.log b/audit.log c/audit.log",
			"segments up to entry 5000 are in the archive", "kvclef audit verify --start 5001",
		) + "\n\nEvery entry of all segments is checked against the one before. Damage is named by file, line, byte and" +
			"\nentry, with exit code 1. Votes by passkey are checked against the keys that were added before, and what" +
			"\npeople approved against their votes. Entries cut off at the end leave a shorter log that is sound in" +
			"\nitself: only a checkpoint that covers them tells. Keep the heads that this command prints elsewhere, or" +
			"\nlet the signer sign them (--audit.checkpoint-key).",
		Flags: auditFlags(
			&cli.StringSliceFlag{Name: "checkpoint", Usage: "`SEQ:HASH` that the log must hold, or a file with a checkpoint; may be repeated"},
			&cli.StringSliceFlag{Name: "checkpoint-key", Usage: "`ADDRESS` that checkpoints may be signed by; may be repeated", DefaultText: "any"},
			&cli.Uint64Flag{Name: "start", Usage: "first entry of the log, where older segments are kept elsewhere: `SEQ`", DefaultText: "1"},
			jsonFlag(),
		),
		Action: action(p.auditVerify),
	}
}

func (p *program) auditVerify(c *cli.Context) error {
	options, err := verifyOptions(c)
	if err != nil {
		return err
	}
	if c.NArg() > 1 {
		return p.auditVerifyAll(c, options)
	}
	path, err := auditFile(c, 0)
	if err != nil {
		return err
	}
	approvals := newApprovalsCheck(options.Start > 1)
	options.Entry = approvals.add
	found, err := p.verify(c.Context, path, options)
	if err != nil {
		return err
	}
	found.Approvals = approvals
	if c.Bool("json") {
		return errors.Join(p.printJSON(found.withDamage()), found.failure())
	}
	return errors.Join(p.printf("%s", found.text()), found.failure())
}

// verifyOptions reads what the log must hold.
func verifyOptions(c *cli.Context) (audit.VerifyOptions, error) {
	options := audit.VerifyOptions{Start: c.Uint64("start")}
	for _, text := range c.StringSlice("checkpoint") {
		checkpoint, err := readCheckpoint(text)
		if err != nil {
			return options, usagef("--checkpoint: %w", err)
		}
		options.Checkpoints = append(options.Checkpoints, checkpoint)
	}
	for _, text := range c.StringSlice("checkpoint-key") {
		if !common.IsHexAddress(text) {
			return options, usagef("--checkpoint-key: %q is no address, such as 0x71562b71999873DB5b286dF957af199Ec94617F7", text)
		}
		options.Keys = append(options.Keys, common.HexToAddress(text))
	}
	return options, nil
}

// verify checks one log. Damage is in what it found.
func (p *program) verify(ctx context.Context, path string, options audit.VerifyOptions) (verification, error) {
	options.Progress = p.verifyProgress(time.Now)
	report, err := audit.Verify(ctx, path, options)
	found := verification{Log: path, Sound: err == nil, Report: report, pinned: len(options.Keys) > 0}
	if err != nil && !errors.As(err, &found.damage) {
		return found, auditError(err)
	}
	return found, nil
}

// maxCheckpointFile is more than a file with a checkpoint has, in bytes.
const maxCheckpointFile = 1 << 16

// readCheckpoint reads a checkpoint that an operator kept: SEQ:HASH, or a file
// that has it.
func readCheckpoint(text string) (audit.Checkpoint, error) {
	if regexp.MustCompile(`^\s*(\d+:|\{)`).MatchString(text) {
		return audit.ParseCheckpoint(text)
	}
	f, err := os.Open(text)
	if err != nil {
		return audit.Checkpoint{}, fmt.Errorf("%q is not SEQ:HASH, and no file that can be read: %w", text, err)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxCheckpointFile))
	if err := errors.Join(err, f.Close()); err != nil {
		return audit.Checkpoint{}, fmt.Errorf("reading %s: %w", text, err)
	}
	checkpoint, err := audit.ParseCheckpoint(string(content))
	if err != nil {
		return audit.Checkpoint{}, fmt.Errorf("%s: %w", text, err)
	}
	return checkpoint, nil
}

// verifyProgress returns what says now and then how far the check is, when it
// takes long.
func (p *program) verifyProgress(now func() time.Time) func(audit.Report) {
	const first, next = 2 * time.Second, 10 * time.Second
	due := now().Add(first)
	return func(report audit.Report) {
		if now().Before(due) {
			return
		}
		due = now().Add(next)
		p.sayf("kvclef: checking the audit log: %d entries are sound so far, up to %s", report.Entries, report.LastTime.UTC().Format(time.DateTime))
	}
}
