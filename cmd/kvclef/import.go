package main

import "github.com/urfave/cli/v2"

func (p *program) importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "move here from Clef",
		UsageText: "kvclef import COMMAND [flags]",
		Description: examples(
			"what Clef's configuration directory would bring", "kvclef import clef --configdir ~/.clef --chainid 1 --rules rules.js --dry-run",
			"one key of Clef's keystore", "kvclef import key --keystore ~/.ethereum/keystore/UTC--… --name treasury --vault https://kv-prod.vault.azure.net",
		),
		HideHelpCommand: true,
		Subcommands:     []*cli.Command{p.importClefCommand(), p.importKeyCommand()},
		Action: action(func(*cli.Context) error {
			return usagef("import needs a command: clef or key; see kvclef import --help")
		}),
	}
}
