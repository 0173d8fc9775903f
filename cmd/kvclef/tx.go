package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
)

func (p *program) txCommand() *cli.Command {
	return &cli.Command{
		Name:      "tx",
		Usage:     "look at transactions that were sent through, and replace those that are stuck",
		UsageText: "kvclef tx COMMAND [arguments] [flags]",
		Description: examples(
			"what is under way", "kvclef tx list",
			"a transaction whose fees are too low by now", "kvclef tx bump 0xHASH",
			"one that is not wanted any more", "kvclef tx cancel 0xHASH",
		) + "\n\nThe signer that stands in front of the node must be running.",
		HideHelpCommand: true,
		Subcommands:     []*cli.Command{p.txListCommand(), p.txShowCommand(), p.txBumpCommand(), p.txCancelCommand()},
		Action: action(func(*cli.Context) error {
			return usagef("tx needs a command: list, show, bump or cancel; see kvclef tx --help")
		}),
	}
}

func (p *program) txListCommand() *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list the transactions under way",
		UsageText: "kvclef tx list [--all] [--account ADDRESS] [--limit N] [--datadir DIR] [--json]",
		Description: examples(
			"under way", "kvclef tx list",
			"also those that are mined, replaced or rejected", "kvclef tx list --all",
		) + "\n\nunsure: kept and perhaps sent, no node has said that it knows it. sent: a node took it. mined: in a block that is" +
			"\nnot deep yet. final: in one that is. replaced: another transaction has its nonce. rejected: the node refused it.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "finished ones, too", DisableDefaultText: true},
			&cli.StringFlag{Name: "account", Usage: "those of an `ADDRESS` alone"},
			&cli.IntFlag{Name: "limit", Usage: "at most `N`, the newest of each account", Value: 1000},
			jsonFlag(),
		}),
		Action: action(p.txList),
	}
}

func (p *program) txShowCommand() *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show all that is known of a transaction, with its raw bytes",
		UsageText:   "kvclef tx show HASH [--datadir DIR] [--json]",
		Description: examples("one", "kvclef tx show 0xHASH"),
		Flags:       slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{jsonFlag()}),
		Action:      action(p.txShow),
	}
}

func (p *program) txBumpCommand() *cli.Command {
	return &cli.Command{
		Name:      "bump",
		Usage:     "send a transaction again with higher fees",
		UsageText: "kvclef tx bump HASH [--percent N] [--datadir DIR] [--json]",
		Description: examples(
			"as much as a node asks for, or the market's price", "kvclef tx bump 0xHASH",
			"half as much again", "kvclef tx bump 0xHASH --percent 50",
		) + "\n\nThe rules decide about it as about every transaction, for the principal local. Whichever is mined replaces the other.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.UintFlag{Name: "percent", Usage: "raise the fees by `N` percent, and at least by what nodes ask for", DefaultText: "12.5, with blobs 100"},
			jsonFlag(),
		}),
		Action: action(func(c *cli.Context) error {
			query := url.Values{}
			if c.IsSet("percent") {
				query.Set("percent", strconv.FormatUint(uint64(c.Uint("percent")), 10))
			}
			return p.txReplace(c, "/bump?"+query.Encode())
		}),
	}
}

func (p *program) txCancelCommand() *cli.Command {
	return &cli.Command{
		Name:        "cancel",
		Usage:       "put a transaction of nothing in the place of one that is not mined yet",
		UsageText:   "kvclef tx cancel HASH [--datadir DIR] [--json]",
		Description: examples("one", "kvclef tx cancel 0xHASH") + "\n\nThe account sends 0 wei to itself with the same nonce and higher fees: the rules must allow it. The old one may\nstill be mined; see kvclef tx show.",
		Flags:       slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{jsonFlag()}),
		Action:      action(func(c *cli.Context) error { return p.txReplace(c, "/cancel") }),
	}
}

func (p *program) txList(c *cli.Context) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	client, err := p.runningSigner(c)
	if err != nil {
		return err
	}
	query := url.Values{"limit": {strconv.Itoa(c.Int("limit"))}}
	if !c.Bool("all") {
		query.Set("in_flight", "true")
	}
	if account := c.String("account"); account != "" {
		query.Set("account", account)
	}
	var listing outbox.Listing
	if err := client.Transactions(c.Context, http.MethodGet, "?"+query.Encode(), &listing); err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(listing)
	}
	return p.printf("%s", listingText(&listing))
}

func (p *program) txShow(c *cli.Context) error {
	client, hash, err := p.aboutTransaction(c)
	if err != nil {
		return err
	}
	var transaction outbox.Transaction
	if err := client.Transactions(c.Context, http.MethodGet, "/"+hash, &transaction); err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(transaction)
	}
	return p.printf("%s", transactionText(&transaction))
}

// txReplace asks for a replacement, and prints its hash.
func (p *program) txReplace(c *cli.Context, how string) error {
	client, hash, err := p.aboutTransaction(c)
	if err != nil {
		return err
	}
	var made replacement
	if err := client.Transactions(c.Context, http.MethodPost, "/"+hash+how, &made); err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(made)
	}
	return p.printf("%s\n", made.Hash)
}

// aboutTransaction reads the argument of a command about one transaction.
func (p *program) aboutTransaction(c *cli.Context) (client *admin.Client, hash string, err error) {
	args, err := arguments(c, "HASH")
	if err != nil {
		return nil, "", err
	}
	if _, err := transactionHash(args[0]); err != nil {
		return nil, "", &usageError{err}
	}
	client, err = p.runningSigner(c)
	return client, args[0], err
}

// runningSigner connects to the signer of the data directory.
func (p *program) runningSigner(c *cli.Context) (*admin.Client, error) {
	dir, err := p.findDataDir(c)
	if err != nil {
		return nil, err
	}
	client, err := admin.Connect(c.Context, dir.AdminSocket())
	if errors.Is(err, admin.ErrNotRunning) {
		return nil, fmt.Errorf("no signer is running on %s: start it, such as with kvclef proxy", dir.Path())
	}
	return client, err
}
