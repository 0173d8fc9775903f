package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
)

func (p *program) approvalsCommand() *cli.Command {
	return &cli.Command{
		Name:      "approvals",
		Usage:     "look at what rules refer to people, and approve or reject it",
		UsageText: "kvclef approvals COMMAND [arguments] [flags]",
		Description: examples(
			"what waits", "kvclef approvals list",
			"one of them, in full", "kvclef approvals show TICKET",
			"approve it", "kvclef approvals approve TICKET --comment 'as agreed'",
			"be told of new ones", "kvclef approvals watch",
		) + "\n\nIt asks the signer that is running. Who votes is known by the user of the machine that runs the command: the" +
			"\nconfiguration says which person that is, approvals.people. Everybody who may use the socket may look.",
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			p.approvalsListCommand(), p.approvalsShowCommand(), p.approvalsVoteCommand(true), p.approvalsVoteCommand(false), p.approvalsWatchCommand(),
			p.approvalsEnrolCommand(), p.approvalsPasskeysCommand(),
		},
		Action: action(func(*cli.Context) error {
			return usagef("approvals needs a command: list, show, approve, reject, watch, enrol or passkeys; see kvclef approvals --help")
		}),
	}
}

// approvalsFlags are those of all commands about approvals.
func approvalsFlags(more ...cli.Flag) []cli.Flag {
	return slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{approvalsSocketFlag()}, more)
}

func approvalsSocketFlag() cli.Flag {
	return stringFlag(categoryRules, "approvals.socket", "`PATH` of the socket of kvclef approvals", "approvals.sock in --datadir")
}

func (p *program) approvalsListCommand() *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list the tickets that wait for people",
		UsageText: "kvclef approvals list [--all] [--limit N] [--ids | --json]",
		Description: examples("those that wait", "kvclef approvals list", "those that are decided, too", "kvclef approvals list --all") +
			"\n\nA list is an overview. What is voted on is what show shows.",
		Flags: approvalsFlags(
			&cli.BoolFlag{Name: "all", Usage: "those that are decided, too", DisableDefaultText: true},
			&cli.IntFlag{Name: "limit", Usage: "at most `N`, the newest", Value: 1000},
			&cli.BoolFlag{Name: "ids", Usage: "print the ids alone", DisableDefaultText: true},
			jsonFlag(),
		),
		Action: action(p.approvalsList),
	}
}

func (p *program) approvalsShowCommand() *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show all that is known of a ticket",
		UsageText:   "kvclef approvals show TICKET [--full] [--json]",
		Description: examples("one", "kvclef approvals show TICKET"),
		Flags:       approvalsFlags(fullFlag(), jsonFlag()),
		Action:      action(p.approvalsShow),
	}
}

func fullFlag() cli.Flag {
	return &cli.BoolFlag{Name: "full", Usage: "long data, too, to its end", DisableDefaultText: true}
}

func (p *program) approvalsVoteCommand(approve bool) *cli.Command {
	name, usage := "reject", "reject what a ticket asks for, which ends it"
	if approve {
		name, usage = "approve", "approve what a ticket asks for"
	}
	return &cli.Command{
		Name:      name,
		Usage:     usage,
		UsageText: "kvclef approvals " + name + " TICKET [--comment TEXT] [--hash HASH] [--yes] [--full] [--json]",
		Description: examples(
			"after a look at it", "kvclef approvals "+name+" TICKET",
			"in a script, for what show has shown before", "kvclef approvals "+name+" TICKET --yes --hash 0xHASH",
		) + "\n\nIt shows the ticket and asks. The vote is on the hash of what was shown, and final.",
		Flags: approvalsFlags(
			&cli.StringFlag{Name: "comment", Usage: "`TEXT` for the record, at most 1,000 bytes"},
			&cli.StringFlag{Name: "hash", Usage: "`HASH` that the ticket must have, as show shows it"},
			yesFlag(), fullFlag(), jsonFlag(),
		),
		Action: action(func(c *cli.Context) error { return p.approvalsVote(c, approve) }),
	}
}

func (p *program) approvalsWatchCommand() *cli.Command {
	return &cli.Command{
		Name:        "watch",
		Usage:       "print the tickets that wait, and then what becomes of them and of new ones",
		UsageText:   "kvclef approvals watch [--json]",
		Description: examples("until it is interrupted", "kvclef approvals watch"),
		Flags:       approvalsFlags(jsonFlag()),
		Action:      action(p.approvalsWatch),
	}
}

// approvalsClient connects to the signer that is running.
func (p *program) approvalsClient(c *cli.Context) (*approvals.Client, error) {
	cfg, err := settings(c)
	if err != nil {
		return nil, err
	}
	dir, err := dataDir(cfg)
	if err != nil {
		return nil, err
	}
	path, err := expandHome(cfg.Approvals.SocketPath(dir), "approvals.socket")
	if err != nil {
		return nil, err
	}
	return approvals.Connect(c.Context, path)
}
