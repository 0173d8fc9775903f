package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

func (p *program) checkCommand() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "reach the vaults and say what is set up well and what is not",
		Flags: slices.Concat(generalFlags(), vaultFlags(), []cli.Flag{jsonFlag()}),
		Action: action(func(*cli.Context) error {
			return usagef("not yet")
		}),
	}
}
