package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/policyreplay"
	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/cmd/internal/requestlog"
)

func (p *program) policyReplayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "judge by another policy what an audit log says was asked",
		UsageText: "kvclef policy replay [AUDIT_LOG] --candidate FILE [flags]",
		Description: examples(
			"what a new policy would change, before it is attested", "kvclef policy replay /var/lib/kvclef/audit.log --candidate policy.new.yaml",
			"of the last month", "kvclef policy replay --datadir /var/lib/kvclef --candidate policy.new.yaml --from 2026-11-01",
			"compared with another policy than those of the log", "kvclef policy replay audit.log --candidate policy.new.yaml --current policy.yaml",
			"each decision that changes", "kvclef policy replay audit.log --candidate policy.new.yaml --all",
		) + "\n\n" + policyReplayHelp,
		Flags: auditFlags(
			&cli.StringFlag{Name: "candidate", Usage: "policy `FILE` that judges"},
			&cli.StringFlag{Name: "current", Usage: "policy `FILE` that it is compared with", DefaultText: "what the log says was decided"},
			&cli.StringFlag{Name: "from", Usage: "first `TIME|SEQ` to judge", DefaultText: "the first"},
			&cli.StringFlag{Name: "to", Usage: "last `TIME|SEQ` to judge", DefaultText: "the last"},
			&cli.BoolFlag{Name: "all", Usage: "print each decision that changes, not a few of each kind", DisableDefaultText: true},
			&cli.BoolFlag{Name: "strict", Usage: "exit code 1 also where a rule alone changes, or a request can't be judged", DisableDefaultText: true},
			jsonFlag(),
		),
		Action: action(p.policyReplay),
	}
}

const policyReplayHelp = `Each request of the log is judged at the time of its entry, and its decision is compared with the
one that the log has. Limits count from nothing, with the clock of the log: what is approved is held,
and given back where the log says that it was not signed. What the candidate approves and the log does
not counts as signed. Rule files that rules hand over to by js are run from where they stand, seen from
the policy, and begin with an empty storage. What must be approved by people is "refer": nobody is asked.

A log has requests in full unless the signer has audit.requests: excerpt. Those that it has not are
counted, and not judged. The chain is checked; nothing is judged after damage.

The exit code is 0 if no decision changes, 1 if some do, 2 if the log or a policy can't be read.`

func (p *program) policyReplay(c *cli.Context) error {
	path, err := auditFile(c, 0)
	if err != nil {
		return err
	}
	within, err := rangeOf(c)
	if err != nil {
		return err
	}
	if c.String("candidate") == "" {
		return usagef("policy replay: no policy: give --candidate FILE; usage: %s", c.Command.UsageText)
	}
	candidate, names, err := replaySide(c.Context, c.String("candidate"))
	if err != nil {
		return err
	}
	defer candidate.Close()
	var current *policyreplay.Side
	if c.String("current") != "" {
		if current, _, err = replaySide(c.Context, c.String("current")); err != nil {
			return err
		}
		defer current.Close()
	}
	reader := requestlog.New(path, requestlog.Options{From: within.from.seq, Within: within.holds})
	report, err := policyreplay.Replay(c.Context, reader.Entries(c.Context), policyreplay.Options{
		Candidate: candidate, Current: current, All: c.Bool("all"), Describe: requestText,
	})
	if err != nil {
		return replayError(err)
	}
	summary := reader.Summary()
	found := &replayed{Log: path, Candidate: c.String("candidate"), Current: c.String("current"), Report: report, Refused: summary.Refused, Unread: unreadOf(summary), names: names}
	for i := range report.Limits {
		report.Limits[i].Window = shownWindow(report.Limits[i].Of.Window)
	}
	if c.Bool("json") {
		err = p.printJSON(found)
	} else {
		err = p.printf("%s", found)
	}
	if err != nil {
		return err
	}
	return found.failure(c.Bool("strict"))
}

// replaySide loads a policy that judges, with its names for people.
func replaySide(ctx context.Context, path string) (*policyreplay.Side, policytest.Names, error) {
	file, _, err := readPolicy(path)
	if err != nil {
		return nil, policytest.Names{}, brokenPolicy(path, err)
	}
	side, err := policyreplay.NewSide(ctx, path, file.source)
	if err != nil {
		return nil, policytest.Names{}, &usageError{err}
	}
	return side, policytest.NamesOf(file.source), nil
}

// replayError is the error of a log that can't be read. It is not that of a
// decision that changes.
func replayError(err error) error {
	var wrong *usageError
	if err = auditError(err); errors.As(err, &wrong) {
		return err
	}
	return &usageError{err}
}

// failure is the error that sets the exit code, nil if nothing changes.
func (r *replayed) failure(strict bool) error {
	var differs []string
	if r.Changed > 0 {
		differs = append(differs, fmt.Sprintf("%d of %s would be decided otherwise", r.Changed, counted(r.Requests, "request")))
	}
	if strict && r.OtherRule > 0 {
		differs = append(differs, fmt.Sprintf("%s by another rule", counted(r.OtherRule, "request")))
	}
	if strict && r.unread() > 0 {
		differs = append(differs, fmt.Sprintf("%s can't be judged", counted(r.unread(), "request")))
	}
	if len(differs) == 0 {
		return nil
	}
	return errors.New(strings.Join(differs, "; "))
}
