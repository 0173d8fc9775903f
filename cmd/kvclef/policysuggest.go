package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/cmd/internal/requestlog"
	"github.com/kvclef/kvclef/extapi"
)

func (p *program) policySuggestCommand() *cli.Command {
	return &cli.Command{
		Name:      "suggest",
		Usage:     "draft a policy from what an audit log says was signed",
		UsageText: "kvclef policy suggest [AUDIT_LOG] [--margin PERCENT] [--out FILE] [flags]",
		Description: examples(
			"of all that was signed", "kvclef policy suggest --datadir /var/lib/kvclef --out policy.yaml",
			"since a day, with half as much again as was seen", "kvclef policy suggest audit.log --from 2026-11-01 --margin 50",
			"of an account that pays anyone", "kvclef policy suggest audit.log --open",
		) + "\n\n" + policySuggestHelp,
		Flags: auditFlags(
			&cli.StringFlag{Name: "margin", Usage: "`PERCENT` upon the largest that was seen of each amount, fee and total", Value: strconv.Itoa(policysuggest.DefaultMargin)},
			&cli.StringFlag{Name: "out", Usage: "new `FILE` to write", DefaultText: "the standard output"},
			&cli.StringFlag{Name: "from", Usage: "first `TIME|SEQ` to look at", DefaultText: "the first"},
			&cli.StringFlag{Name: "to", Usage: "last `TIME|SEQ` to look at", DefaultText: "the last"},
			&cli.IntFlag{Name: "recipients", Usage: "list at most so `MANY` recipients in a rule", Value: policysuggest.DefaultRecipients},
			&cli.BoolFlag{Name: "open", Usage: "where there are more, or no word is narrow, allow any", DisableDefaultText: true},
		),
		Action: action(p.policySuggest),
	}
}

const policySuggestHelp = `What was approved and signed is drafted as rules: for each account and caller, whom it paid, which
methods of which contracts it called, which tokens it moved or handed over, what it signed besides. Bounds
and totals of 24 hours are the largest that were seen, with a margin, rounded up. Comments say from how
many requests a rule comes, and which entry of the log had the largest.

The draft is loaded and judges the requests again before it is written: what it does not approve is taken
out. Requests that no rule can describe narrowly, and those taken out, are listed at its end with the
reason. A draft says what was done, not what was right: read it before you attest it.

A log has requests in full unless the signer has audit.requests: excerpt. The chain is checked.`

func (p *program) policySuggest(c *cli.Context) error {
	path, err := auditFile(c, 0)
	if err != nil {
		return err
	}
	within, err := rangeOf(c)
	if err != nil {
		return err
	}
	margin, err := strconv.Atoi(c.String("margin"))
	if err != nil {
		meant := ""
		if number, percent := strings.CutSuffix(c.String("margin"), "%"); percent {
			meant = "; did you mean " + strings.TrimSpace(number)
		}
		return usagef("--margin: want a number of percent, such as %d, not %q%s", policysuggest.DefaultMargin, c.String("margin"), meant)
	}
	if margin < 0 || margin > policysuggest.MaxMargin {
		return usagef("--margin: %d is not from 0 to %d", margin, policysuggest.MaxMargin)
	}
	if many := c.Int("recipients"); many < 1 || many > policysuggest.MaxRecipients {
		return usagef("--recipients: %d is not from 1 to %d", many, policysuggest.MaxRecipients)
	}
	if _, err := os.Lstat(c.String("out")); err == nil {
		return draftExists(c.String("out")) // before the work
	}
	source := &observedLog{path: path, within: within}
	draft, err := policysuggest.Make(c.Context, source.read(c.Context), policysuggest.Options{
		Margin: margin, Recipients: c.Int("recipients"), Open: c.Bool("open"),
		ChainName:   func(id uint64) string { name, _ := publicChainNamed(id); return name },
		KnownMethod: extapi.KnownMethod, Missing: source.missing,
	})
	if errors.Is(err, policysuggest.ErrNothing) {
		return fmt.Errorf("%s: %w%s", path, err, nothingBecause(draft))
	}
	if err != nil {
		return auditError(err)
	}
	if err := p.writeDraft(c.String("out"), draft.Source); err != nil {
		return err
	}
	p.sayf("kvclef: %s from %s%s", counted(draft.Rules, "rule"), counted(draft.Covered, "request"), notCovered(draft))
	return nil
}

// writeDraft writes a draft to a new file, or to the standard output.
func (p *program) writeDraft(name string, source []byte) error {
	if name == "" {
		return p.printf("%s", source)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return draftExists(name)
	}
	if err != nil {
		return usagef("--out: %w", err)
	}
	_, err = f.Write(source)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing the draft: %w", err)
	}
	return nil
}

func draftExists(name string) error {
	return usagef("--out: %s exists, and is not overwritten: name another file or remove it", name)
}

// notCovered says how many requests the draft does not cover.
func notCovered(draft *policysuggest.Draft) string {
	others := 0
	for _, m := range slices.Concat(draft.Others, draft.Unread) {
		others += m.Count
	}
	if others == 0 {
		return ""
	}
	return fmt.Sprintf("; %s not covered: see the end of the draft", counted(others, "other"))
}

// nothingBecause says what there was instead.
func nothingBecause(draft *policysuggest.Draft) string {
	text, between := "", ": "
	for _, m := range slices.Concat(draft.LeftOut, draft.Others, draft.Unread) {
		text += fmt.Sprintf("%s%s %s", between, counted(m.Count, "request"), printable(m.Why))
		between = ", "
	}
	return text
}

// observedLog is an audit log that a draft is made from. It is read twice.
type observedLog struct {
	path   string
	within auditRange
	first  *requestlog.Reader
}

// read returns what reads the requests from the first.
func (l *observedLog) read(ctx context.Context) policysuggest.Source {
	return func() iter.Seq2[policysuggest.Observed, error] {
		reader := requestlog.New(l.path, requestlog.Options{From: l.within.from.seq, Within: l.within.holds})
		if l.first == nil {
			l.first = reader
		}
		return func(yield func(policysuggest.Observed, error) bool) {
			for entry, err := range reader.Entries(ctx) {
				one := policysuggest.Observed{Seq: entry.Seq, Time: entry.Time, Request: entry.Request, Verdict: entry.Verdict, Outcome: entry.Outcome}
				if !yield(one, err) || err != nil {
					return
				}
			}
		}
	}
}

// missing are the requests that the log does not have in full.
func (l *observedLog) missing() []policysuggest.Missing {
	var all []policysuggest.Missing
	for why, of := range l.first.Summary().Unread {
		all = append(all, policysuggest.Missing{Why: why, Count: of.Count, First: of.First})
	}
	slices.SortFunc(all, func(a, b policysuggest.Missing) int { return cmp.Compare(a.Why, b.Why) })
	return all
}
