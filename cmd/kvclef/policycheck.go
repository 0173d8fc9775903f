package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/rules/policy"
)

func (p *program) policyCheckCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "find what is wrong with policies, and what looks wrong",
		UsageText: "kvclef policy check FILE... [--strict] [--json]",
		Description: examples(
			"before it is attested", "kvclef policy check policy.yaml",
			"in CI: warnings are errors", "kvclef policy check --strict *.yaml",
		) + "\n\nErrors keep a policy from loading; all of them are told at once. Warnings are of rules that are sound" +
			"\nand may not say what was meant: one that never matches, or that approves without a limit. Each has its" +
			"\nid, by which a rule that means it accepts it: accept: {no-limit: \"the reason\"}. What is accepted is" +
			"\ncounted, and --json has it. The exit" +
			"\ncode is 0 without errors, 1 with errors, 2 if a file can't be read. Files of cases, which end in" +
			"\n.test.yaml, are left out: kvclef policy test reads them.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "strict", Usage: "warnings are errors", DisableDefaultText: true},
			&cli.StringSliceFlag{Name: "chainid", Usage: "chain `ID` of the signer: with one alone, a rule for any chain (any-chain) is no warning", DefaultText: "not known"},
			jsonFlag(),
		},
		Action: action(p.policyCheck),
	}
}

// finding is an error or a warning, as it is printed.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Warning bool   `json:"warning"`
	ID      string `json:"id,omitempty"` // of a warning
	Text    string `json:"text"`

	// Accepted is the reason for which the policy accepts the warning, which is
	// none then.
	Accepted string `json:"accepted,omitempty"`
}

// String has the place first, as compilers do.
func (f finding) String() string {
	place, kind := f.File, "error"
	for _, n := range []int{f.Line, f.Column} {
		if n > 0 {
			place += fmt.Sprintf(":%d", n)
		}
	}
	if f.Warning {
		kind = "warning"
	}
	text := f.Text
	if f.ID != "" {
		text += " [" + f.ID + "]"
	}
	return fmt.Sprintf("%s: %s: %s", printable(place), kind, printable(text))
}

func (p *program) policyCheck(c *cli.Context) error {
	files := withoutCases(c.Args().Slice())
	if len(files) == 0 && c.Args().Present() {
		return usagef("policy check: %s has cases, not a policy: give the policy, or use kvclef policy test", c.Args().First())
	}
	if len(files) == 0 {
		return usagef("policy check: FILE is missing; usage: %s", c.Command.UsageText)
	}
	chains, err := chainIDs(c.StringSlice("chainid"))
	if err != nil {
		return err
	}
	found := []finding{}
	for _, file := range files {
		findings, err := checkPolicy(file, len(chains) == 1)
		if err != nil {
			return err
		}
		found = append(found, findings...)
	}
	var n tally
	for _, f := range found {
		switch {
		case f.Accepted != "":
			n.accepted++
		case f.Warning && !c.Bool("strict"):
			n.warnings++
		default:
			n.failures++
		}
	}
	if err := p.printFindings(c, found, len(files), n); err != nil {
		return err
	}
	if n.failures > 0 {
		return fmt.Errorf("%s in %s", counted(n.failures, "error"), counted(len(files), "file"))
	}
	return nil
}

// tally is how many findings there are.
type tally struct{ failures, warnings, accepted int }

// printFindings prints what was found, and how much of it.
func (p *program) printFindings(c *cli.Context, found []finding, files int, n tally) error {
	if c.Bool("json") {
		return p.printJSON(struct {
			OK       bool      `json:"ok"`
			Errors   int       `json:"errors"`
			Warnings int       `json:"warnings"`
			Accepted int       `json:"accepted"`
			Findings []finding `json:"findings"`
		}{n.failures == 0, n.failures, n.warnings, n.accepted, found})
	}
	var b strings.Builder
	for _, f := range found {
		if f.Accepted != "" {
			continue
		}
		f.Warning = f.Warning && !c.Bool("strict")
		fmt.Fprintln(&b, f)
	}
	fmt.Fprintf(&b, "%s, %s, %s", counted(files, "file"), counted(n.failures, "error"), counted(n.warnings, "warning"))
	if n.accepted > 0 {
		fmt.Fprintf(&b, ", %d accepted", n.accepted)
	}
	b.WriteByte('\n')
	return p.printf("%s", b.String())
}

// checkPolicy returns what is wrong with a policy, of a signer for one chain if that is
// known. The error is of one that can't be read.
func checkPolicy(path string, oneChain bool) ([]finding, error) {
	_, loaded, err := readPolicy(path)
	var broken *policy.Error
	switch {
	case errors.As(err, &broken):
		var found []finding
		for _, problem := range broken.Problems {
			found = append(found, finding{File: path, Line: problem.Line, Column: problem.Column, Text: problem.Text})
		}
		return found, nil
	case err != nil:
		return nil, err
	}
	return warnings(path, loaded, oneChain), nil
}
