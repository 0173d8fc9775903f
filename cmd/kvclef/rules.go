package main

import "github.com/urfave/cli/v2"

func (p *program) rulesCommand() *cli.Command {
	return &cli.Command{
		Name:      "rules",
		Usage:     "test a rule file, and attest that it may be used",
		UsageText: "kvclef rules COMMAND [arguments] [flags]",
		Description: examples(
			"what would be decided about a request", "kvclef rules test rules.js --request request.json",
			"allow a rule file", "kvclef rules attest rules.js",
		),
		HideHelpCommand: true,
		Subcommands:     []*cli.Command{p.rulesAttestCommand(), p.rulesTestCommand()},
		Action: action(func(*cli.Context) error {
			return usagef("rules needs a command: attest or test; see kvclef rules --help")
		}),
	}
}
