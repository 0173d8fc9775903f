package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/policydiff"
)

func (p *program) policyDiffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "say in words what differs between two policies",
		UsageText: "kvclef policy diff OLD NEW [--json]",
		Description: examples(
			"before the new one is attested", "kvclef policy diff policy.yaml policy.new.yaml",
		) + "\n\nBoth must load. Comments, the order of keys and lists, and the spelling of addresses don't count. The" +
			"\nexit code is 0, whether they differ or not.",
		Flags: []cli.Flag{jsonFlag()},
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "OLD", "NEW")
			if err != nil {
				return err
			}
			var sources [2][]byte
			for i, path := range args {
				file, _, err := readPolicy(path)
				if err != nil {
					return brokenPolicy(path, err)
				}
				sources[i] = file.source
			}
			changes, err := policydiff.Of(sources[0], sources[1])
			if err != nil {
				return err
			}
			return p.printChanges(c, changes)
		}),
	}
}

// printChanges prints a line for each change.
func (p *program) printChanges(c *cli.Context, changes []policydiff.Change) error {
	if c.Bool("json") {
		return p.printJSON(append([]policydiff.Change{}, changes...))
	}
	if len(changes) == 0 {
		return p.printf("no difference\n")
	}
	var b strings.Builder
	for _, change := range changes {
		fmt.Fprintln(&b, printable(change.String()))
	}
	return p.printf("%s", b.String())
}
