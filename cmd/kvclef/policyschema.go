package main

import (
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/rules/policy"
)

func (p *program) policySchemaCommand() *cli.Command {
	return &cli.Command{
		Name:      "schema",
		Usage:     "print the JSON Schema of policies, for editors",
		UsageText: "kvclef policy schema",
		Description: examples(
			"for an editor with a YAML language server", "kvclef policy schema > policy.schema.json",
		) + "\n\nThen the first line of a policy is: # yaml-language-server: $schema=policy.schema.json",
		Action: action(func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			return p.printf("%s", policy.Schema())
		}),
	}
}
