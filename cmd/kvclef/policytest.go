package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules/policy"
)

func (p *program) policyTestCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "try policies on the cases beside them, without a vault",
		UsageText: "kvclef policy test FILE... [flags]",
		Description: examples(
			"the cases of policy.test.yaml", "kvclef policy test policy.yaml",
			"everything about each case", "kvclef policy test policy.yaml --verbose",
			"what no case has shown yet", "kvclef policy test policy.yaml --coverage",
			"in CI: a rule that no case reaches fails", "kvclef policy test policy.yaml --strict",
		) + "\n\n" + policyTestHelp,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "coverage", Usage: "print which rules never decided, and which words were never both true and false", DisableDefaultText: true},
			&cli.BoolFlag{Name: "strict", Usage: "fail where a rule never decided", DisableDefaultText: true},
			&cli.StringFlag{Name: "4bytedb-custom", Usage: "JSON `FILE` of additional method selectors"},
			&cli.BoolFlag{Name: "verbose", Usage: "print everything about cases that pass, too", DisableDefaultText: true},
			jsonFlag(),
		},
		Action: action(p.policyTest),
	}
}

const policyTestHelp = `The cases of FILE.yaml stand in FILE.test.yaml:

  principal: payouts              # of all cases that say nothing else; so too
  time: 2026-01-05T10:00:00Z      # accounts, advanced, caller and chain_id
  transaction: {from: treasury, chainId: mainnet, gas: 100000, maxFeePerGas: 20 gwei,
                maxPriorityFeePerGas: 1 gwei, nonce: 0, value: 0}
  cases:
    - name: a small payment
      transaction: {to: USDC, call: "transfer(address,uint256)", args: [payees, 100 USDC]}
      expect: {verdict: approve, rule: treasury-small}
    - name: one after the other, counted against the same limits
      steps:
        - {transaction: {nonce: 1, …}, expect: {verdict: approve}}
        - {transaction: {nonce: 2, …}, expect: {verdict: reject, reason: "limit"}}
    - name: people are asked, and approve
      steps:
        - {transaction: {nonce: 3, …}, people: approve, expect: {verdict: refer, rule: treasury-large}}
    - name: any other request
      request: {method: account_signTypedData, params: ["0x…", {…}]}
      expect: {verdict: reject}

A transaction has what stands before the cases, unless it has its own; null leaves a member out.
Names of the policy stand for addresses, of a list for its first, and numbers may have units. A
call and its args become the data, and its method is account_signTransaction unless another one is
named. Likewise block_payload has signer, domain, chainId and payloadHash. The other members of a case are those of kvclef rules test, and
  principal     who asks, in the place of what the listener says; a step may have its own
  people        what people answer who are asked: approve or reject. Without it they think on, and what
                they were asked about counts until its ticket expires, as in a signer
and of expect, besides verdict, rule and reason:
  explanation   parts of the explanation

A rule file that a rule hands over to by js is run as kvclef rules test does. The exit code is 0 if
everything is as expected, 1 if not or if the policy does not load, 2 if a case can't be read.`

// testedPolicy is a policy and what became of its cases.
type testedPolicy struct {
	File     string                `json:"file"`
	Cases    []testedCase          `json:"cases"`
	Coverage []policy.RuleCoverage `json:"coverage"`
}

// policyTest tries policies on their cases. All cases are read before any is
// tried.
func (p *program) policyTest(c *cli.Context) error {
	files := withoutCases(c.Args().Slice())
	if len(files) == 0 {
		return usagef("policy test: FILE is missing; usage: %s", c.Command.UsageText)
	}
	fourByteFile := c.String("4bytedb-custom")
	if _, err := extapi.NewValidator(fourByteFile); err != nil {
		return &usageError{err}
	}
	subjects := make([]*policytest.Subject, len(files))
	suites := make([]*policytest.Suite, len(files))
	var failures []error
	for i, path := range files {
		file, _, err := readPolicy(path)
		if err != nil {
			return err
		}
		if subjects[i], err = policytest.NewSubject(path, file.source); err != nil {
			return err
		}
		if suites[i], err = policytest.ReadFile(policytest.FileOf(path), policytest.NamesOf(file.source)); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) > 0 {
		return &usageError{errors.Join(failures...)}
	}
	tested := make([]testedPolicy, len(files))
	for i, path := range files {
		tested[i] = testedPolicy{File: path}
		for _, of := range suites[i].Cases {
			if err := c.Err(); err != nil {
				return err
			}
			one := testedCase{File: fmt.Sprintf("%s:%d", suites[i].File, of.Line), Name: of.Name, c: of.Case}
			results, err := rulestest.Run(c.Context, subjects[i], of.Case, fourByteFile)
			one.note(results, err)
			if !c.Bool("json") {
				if err := p.printTested(one, false, c.Bool("verbose")); err != nil {
					return err
				}
			}
			tested[i].Cases = append(tested[i].Cases, one)
		}
		tested[i].Coverage = subjects[i].Coverage()
	}
	return p.reportTested(c, tested)
}
