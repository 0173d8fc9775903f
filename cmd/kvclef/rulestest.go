package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

func (p *program) rulesTestCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "try a rule file on requests, without a vault",
		UsageText: "kvclef rules test FILE (--request REQUEST | CASE.json|FOLDER...) [flags]",
		Description: examples(
			"what would be decided about a request", "kvclef rules test rules.js --request request.json",
			"in CI: all cases below a folder", "kvclef rules test rules.js ./cases",
			"this must be rejected", "kvclef rules test rules.js --request request.json --expect reject",
		) + "\n\n" + rulesTestHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "request", Usage: "JSON `FILE` with a request or a case, - for the standard input; everything about it is printed"},
			&cli.StringFlag{Name: "expect", Usage: "the `VERDICT` that --request must get", DefaultText: rulestest.Approve},
			&cli.StringSliceFlag{Name: "chainid", Usage: "chain `ID` of the signer, where a case has no chain_id", DefaultText: "the one that the request names, else 1"},
			&cli.BoolFlag{Name: "advanced", Usage: "put requests to the rules that validation warns of", DisableDefaultText: true},
			&cli.StringFlag{Name: "4bytedb-custom", Usage: "JSON `FILE` of additional method selectors"},
			&cli.DurationFlag{Name: "rules.timeout", Usage: "`TIME` that a call of a function may take", DefaultText: "1s"},
			&cli.BoolFlag{Name: "verbose", Usage: "print everything about cases that pass, too", DisableDefaultText: true},
			jsonFlag(),
		},
		Action: action(p.rulesTest),
	}
}

const rulesTestHelp = `A request is the JSON that goes over the wire:
  {"method": "account_signTransaction", "params": [{"from": "0x…", …}]}
A case says what is expected of it, or of several in steps, which share one storage:
  {"request": {…}, "expect": {"verdict": "approve", "rule": "ApproveTx"}}
  {"steps": [{"request": {…}, "expect": {…}}, {"request": {…}, "expect": {…}}]}
A case may have:
  name       what it is about
  chain_id   chain of the signer, or a list of them
  advanced   true: as serve --advanced
  accounts   of the signer: ["0x…"], or [{"address", "vault", "key", "version", "tags"}]; else any
  storage    {"key": "value"} before the first step
  caller     {"transport": "ipc"} or {"transport": "http", "remote", "local", "user_agent", "origin"}; a step too
  time       what the file's clock says, such as 2026-01-31T23:59:00Z; else now; of steps, in each
  people     approve or reject: what people answer who are asked; else nothing; of steps, in each
and expect:
  verdict    approve, reject, refer (to a person), withheld (OnApprovedTx failed), undecided (an error),
             refused (before the rules), unasked (no rules are asked about it); else approve
  rule       such as rules.js:ApproveTx, or ApproveTx alone
  reason     a part of it
  console    parts of the lines printed, in their order; [] is none
  storage    {"key": "value"} after the step; "" is no value
  listed     the addresses that a listing shows, in their order

OnSignerStartup is called before the first step. After an approved transaction, OnApprovedTx gets
one that is signed by a key made for the test and thrown away. Where a case expects nothing, the
request must be approved. The exit code is 0 if everything is as expected, 1 if not or if the rule
file does not load, 2 if a case can't be read.`

// rulesTest tries a rule file on cases.
func (p *program) rulesTest(c *cli.Context) error {
	if path := c.Args().First(); config.IsPolicy(path) {
		return usagef("rules test: %s has the name of a policy: use kvclef policy test %s", path, shellQuote(path))
	}
	if info, err := os.Stat(c.Args().First()); err == nil && info.IsDir() {
		return usagef("rules test: %s is a folder: give the rule file first, then the cases", c.Args().First())
	}
	cases, err := p.testCases(c)
	if err != nil {
		return err
	}
	file, err := readRules(rules.RuleFile, c.Args().First())
	if err != nil {
		return err
	}
	ruleset := rulestest.Ruleset{Name: file.name(), Source: file.source, FourByteFile: c.String("4bytedb-custom")}
	if _, err := extapi.NewValidator(ruleset.FourByteFile); err != nil {
		return &usageError{err}
	}
	if c.IsSet("rules.timeout") {
		if ruleset.Timeout = c.Duration("rules.timeout"); ruleset.Timeout <= 0 || ruleset.Timeout > config.MaxRulesTimeout {
			return usagef("--rules.timeout: %s; it must be above 0s and at most %s", ruleset.Timeout, config.MaxRulesTimeout)
		}
	}
	if err := ruleset.Load(c.Context); err != nil {
		return err
	}
	failed := 0
	for i := range cases {
		if err := c.Err(); err != nil {
			return err
		}
		cases[i].run(c.Context, ruleset)
		if !cases[i].OK {
			failed++
		}
		if !c.Bool("json") {
			if err := p.printTested(cases[i], c.IsSet("request"), c.Bool("verbose")); err != nil {
				return err
			}
		}
	}
	if err := p.printTestedAll(c, cases, failed); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s not as expected", failed, counted(len(cases), "case"))
	}
	return nil
}

// testCases reads all cases before any is tried: one that can't be read is a
// mistake to be mended first.
func (p *program) testCases(c *cli.Context) ([]testedCase, error) {
	if c.NArg() == 0 {
		return nil, usagef("rules test: FILE is missing; usage: %s", c.Command.UsageText)
	}
	chains, err := chainIDs(c.StringSlice("chainid"))
	if err != nil {
		return nil, err
	}
	files, request := c.Args().Tail(), c.String("request")
	var cases []testedCase
	switch {
	case c.IsSet("request") && len(files) > 0:
		return nil, usagef("rules test: give --request or cases, not both: %q stands beside --request", files[0])
	case c.IsSet("request"):
		cases, err = p.requestCase(c, request)
	case c.IsSet("expect"):
		return nil, usagef("--expect goes with --request; a case says what it expects by itself")
	case len(files) == 0:
		return nil, usagef("rules test: nothing to try: give --request REQUEST, or files or folders of cases")
	default:
		cases, err = readCases(files)
	}
	for i := range cases {
		tested := cases[i].c
		if len(tested.ChainIDs) == 0 {
			tested.ChainIDs = chains
		}
		tested.Advanced = tested.Advanced || c.Bool("advanced")
	}
	return cases, err
}

// requestCase reads what --request names.
func (p *program) requestCase(c *cli.Context, path string) ([]testedCase, error) {
	read := func() (*rulestest.Case, error) { return rulestest.ReadFile(path) }
	if path == "-" {
		path = "standard input"
		read = func() (*rulestest.Case, error) { return rulestest.Read(path, p.stdin) }
	}
	got, err := read()
	if err != nil {
		return nil, &usageError{err}
	}
	if c.IsSet("expect") {
		verdict := c.String("expect")
		if err := rulestest.CheckVerdict(verdict); err != nil {
			return nil, usagef("--expect: %w", err)
		}
		for i := range got.Steps {
			if len(got.Steps) > 1 || got.Steps[i].Expect.Given {
				return nil, usagef("--expect goes with a request; %s is a case, which says what it expects by itself", path)
			}
			got.Steps[i].Expect = rulestest.Expect{Given: true, Verdict: verdict}
		}
	}
	return []testedCase{{File: path, Name: got.Name, c: got}}, nil
}

// readCases reads the cases of files and folders. All that are wrong are named.
func readCases(paths []string) ([]testedCase, error) {
	files, err := rulestest.Find(paths)
	if err != nil {
		return nil, usagef("looking for cases: %w", err)
	}
	var cases []testedCase
	var failures []error
	for _, file := range files {
		got, err := rulestest.ReadFile(file)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		cases = append(cases, testedCase{File: file, Name: got.Name, c: got})
	}
	if len(failures) > 0 {
		return nil, &usageError{errors.Join(failures...)}
	}
	return cases, nil
}

// stepLabel names a step where a case has several.
func stepLabel(i, n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf("step %d: ", i+1)
}

// verdictLine says what became of a step in one line.
func verdictLine(step testedStep) string {
	var b strings.Builder
	b.WriteString(step.Verdict)
	if step.Rule != "" {
		fmt.Fprintf(&b, " by %s", printable(step.Rule))
	}
	if step.Micros > 0 {
		fmt.Fprintf(&b, " in %.2f ms", float64(step.Micros)/1000)
	}
	return b.String()
}
