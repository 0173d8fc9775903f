package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/internal/policydiff"
)

func (p *program) policyDiffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "say in words what differs between two policies",
		UsageText: "kvclef policy diff OLD NEW [--fail-on wider|changed] [--json]",
		Description: examples(
			"before the new one is attested", "kvclef policy diff policy.yaml policy.new.yaml",
			"in CI: what allows more needs a second look", "kvclef policy diff --fail-on changed policy.yaml policy.new.yaml",
		) + "\n\nEach change is wider if the policy allows more by it, narrower if less, neutral if it decides nothing, and" +
			"\nchanged if that can't be told; what is wider comes first. A change is judged by itself: what a rule no" +
			"\nlonger matches may match a later one. Both must load. Comments, the order of keys and lists, and the" +
			"\nspelling of addresses don't count. The exit code is 0, whether they differ or not; with --fail-on it is 1" +
			"\nif something is wider, or with --fail-on changed also if something is changed.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: failOn, Usage: "fail if something is `wider`, or changed as well", DefaultText: "never"},
			jsonFlag(),
		},
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "OLD", "NEW")
			if err != nil {
				return err
			}
			fails, err := failing(c)
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
			if err := p.printChanges(c, changes); err != nil {
				return err
			}
			return failure(changes, fails)
		}),
	}
}

const failOn = "fail-on"

// failing are the directions that the flag names.
func failing(c *cli.Context) ([]policydiff.Direction, error) {
	switch on := c.String(failOn); {
	case !c.IsSet(failOn):
		return nil, nil
	case on == policydiff.Wider.String():
		return []policydiff.Direction{policydiff.Wider}, nil
	case on == policydiff.Changed.String():
		return []policydiff.Direction{policydiff.Wider, policydiff.Changed}, nil
	default:
		return nil, usagef("policy diff: --%s: want wider or changed, not %q", failOn, on)
	}
}

// failure is the error of changes that have one of some directions.
func failure(changes []policydiff.Change, of []policydiff.Direction) error {
	var wider, changed int
	for _, change := range changes {
		switch {
		case !slices.Contains(of, change.Direction):
		case change.Direction == policydiff.Wider:
			wider++
		default:
			changed++
		}
	}
	switch {
	case wider == 0 && changed == 0:
		return nil
	case changed == 0:
		return fmt.Errorf("the new policy allows more: %s wider", counted(wider, "change"))
	default:
		return fmt.Errorf("the new policy may allow more: %s wider, and %s that can't be compared", counted(wider, "change"), counted(changed, "change"))
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
