package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

func (p *program) policyCommand() *cli.Command {
	return &cli.Command{
		Name:      "policy",
		Usage:     "check, test and explain a policy",
		UsageText: "kvclef policy COMMAND [arguments] [flags]",
		Description: examples(
			"all errors of a policy, and what looks wrong", "kvclef policy check policy.yaml",
			"try it on the cases of policy.test.yaml", "kvclef policy test policy.yaml",
			"why a request is approved or not", "kvclef policy explain policy.yaml --request request.json",
			"what is left of the limits", "kvclef policy limits policy.yaml",
			"what a change changes", "kvclef policy diff policy.yaml policy.new.yaml",
			"what it would have decided about what was asked", "kvclef policy replay audit.log --candidate policy.new.yaml",
			"a first policy, from what was signed", "kvclef policy suggest audit.log --out policy.yaml",
			"the running signer uses what was changed", "kvclef policy reload",
			"help with writing it, in an editor", "kvclef policy schema > policy.schema.json",
		) + "\n\nkvclef rules attest allows a policy to be used, and kvclef serve --policy FILE uses it.",
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			p.policyCheckCommand(), p.policyTestCommand(), p.policyExplainCommand(), p.policyLimitsCommand(), p.policyDiffCommand(), p.policyReplayCommand(), p.policySuggestCommand(), p.policyReloadCommand(), p.policySchemaCommand(),
		},
		Action: action(func(*cli.Context) error {
			return usagef("policy needs a command: check, test, explain, limits, diff, replay, suggest, reload or schema; see kvclef policy --help")
		}),
	}
}

// readPolicy reads and loads a policy that a command is about.
func readPolicy(path string) (rulesFile, *policy.Policy, error) {
	if !config.IsPolicy(path) {
		return rulesFile{}, nil, usagef("%s is no policy, whose name ends in .yaml or .yml", path)
	}
	file, err := readRules(rules.PolicyFile, path)
	if err != nil {
		return rulesFile{}, nil, err
	}
	loaded, err := policy.Load(path, file.source, policy.Options{})
	if err != nil {
		return file, nil, err
	}
	return file, loaded, nil
}

// maxProblems bounds the problems of a policy that an error of one line tells.
const maxProblems = 3

// brokenPolicy is the error of a policy that does not load, where it is only in
// the way.
func brokenPolicy(path string, err error) error {
	var broken *policy.Error
	if !errors.As(err, &broken) || len(broken.Problems) <= maxProblems {
		return &usageError{err}
	}
	first := policy.Error{File: broken.File, Problems: broken.Problems[:maxProblems]}
	return &usageError{fmt.Errorf("%w\nand %d more: see kvclef policy check %s", &first, len(broken.Problems)-maxProblems, shellQuote(path))}
}
