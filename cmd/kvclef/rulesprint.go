package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
)

// testedCase is a case and what became of it, as it is printed in JSON.
type testedCase struct {
	File  string       `json:"file"`
	Name  string       `json:"name,omitempty"`
	OK    bool         `json:"ok"`
	Error string       `json:"error,omitempty"` // the case could not be tried to its end
	Steps []testedStep `json:"steps"`

	c *rulestest.Case
}

// testedStep is what became of a request.
type testedStep struct {
	OK       bool               `json:"ok"`
	Verdict  string             `json:"verdict"`
	Rule     string             `json:"rule,omitempty"`
	Reason   string             `json:"reason,omitempty"`
	Why      string             `json:"explanation,omitempty"`
	Note     string             `json:"note,omitempty"`
	Listed   []common.Address   `json:"listed,omitempty"`
	Console  []rulestest.Line   `json:"console,omitempty"`
	Storage  []rulestest.Change `json:"storage,omitempty"`
	Micros   int64              `json:"micros"` // from the decoded request to the settled decision
	Failures []string           `json:"failures,omitempty"`
}

// run tries a case.
func (t *testedCase) run(ctx context.Context, ruleset rulestest.Ruleset) {
	t.note(ruleset.Run(ctx, t.c))
}

// note keeps what became of a case.
func (t *testedCase) note(results []rulestest.Result, err error) {
	t.OK = err == nil
	if err != nil {
		t.Error = err.Error()
	}
	for _, r := range results {
		t.OK = t.OK && len(r.Failures) == 0
		t.Steps = append(t.Steps, testedStep{
			OK: len(r.Failures) == 0, Verdict: r.Verdict, Rule: r.Rule, Reason: r.Reason, Why: r.Why, Note: r.Note, Listed: r.Listed,
			Console: r.Console, Storage: r.Storage, Micros: r.Took.Microseconds(), Failures: r.Failures,
		})
	}
}

// printTested prints a case: a line if it passed, everything if it did not or
// that is wanted. Of a single request the heading says nothing.
func (p *program) printTested(t testedCase, single, verbose bool) error {
	var b strings.Builder
	if !single {
		heading := "PASS  "
		if !t.OK {
			heading = "FAIL  "
		}
		b.WriteString(heading + printable(t.File))
		if t.Name != "" {
			b.WriteString("  " + printable(t.Name))
		}
		b.WriteByte('\n')
	}
	if single || verbose || !t.OK {
		for i, step := range t.Steps {
			describeStep(&b, step, stepLabel(i, len(t.c.Steps)), !single)
		}
	}
	if t.Error != "" {
		fmt.Fprintf(&b, "      %s\n", printable(t.Error))
	}
	return p.printf("%s", b.String())
}

// describeStep prints everything about a step.
func describeStep(b *strings.Builder, step testedStep, label string, indent bool) {
	margin := ""
	if indent {
		margin = "      "
	}
	line := func(name, text string) { fmt.Fprintf(b, "%s%-9s%s\n", margin, name, text) }
	line("Verdict", label+verdictLine(step))
	if step.Reason != "" {
		line("Reason", printable(step.Reason))
	}
	if step.Why != "" {
		for text := range strings.Lines(step.Why) {
			line("Why", printable(strings.TrimRight(text, "\n")))
		}
	}
	if step.Note != "" {
		line("Note", printable(step.Note))
	}
	for _, address := range step.Listed {
		line("Listed", address.Hex())
	}
	for _, printed := range step.Console {
		line("Console", printable(printed.Text))
	}
	for _, change := range step.Storage {
		line("Storage", fmt.Sprintf("%s: %s → %s", printable(change.Key), storedValue(change.Before), storedValue(change.After)))
	}
	for _, failure := range step.Failures {
		line("FAILED", printable(failure))
	}
}

// printTestedAll prints the summary, or everything in JSON.
func (p *program) printTestedAll(c *cli.Context, cases []testedCase, failed int) error {
	if c.Bool("json") {
		return p.printJSON(struct {
			OK     bool         `json:"ok"`
			Failed int          `json:"failed"`
			Cases  []testedCase `json:"cases"`
		}{failed == 0, failed, cases})
	}
	if c.IsSet("request") {
		return nil
	}
	return p.printf("%s, %d failed\n", counted(len(cases), "case"), failed)
}

func storedValue(value string) string {
	if value == "" {
		return "no value"
	}
	return `"` + printable(value) + `"`
}

// printable is a text of a rule file or of a caller as a terminal may get it:
// bounded, on one line and without what a terminal obeys.
func printable(text string) string {
	const most = 500 // bytes
	rest := ""
	if len(text) > most {
		text, rest = strings.ToValidUTF8(text[:most], ""), "…"
	}
	var b strings.Builder
	for _, r := range text {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String() + rest
}
