package main

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
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
		) + "\n\nlist and show ask the signer that stands in front of the node, or read its state if none is running; bump and cancel" +
			"\nneed it, and rules that allow them for principal local.",
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
		UsageText: "kvclef tx list [--all] [--account ADDRESS] [--service ID | --all-services] [--limit N] [--datadir DIR] [--json]",
		Description: examples(
			"under way", "kvclef tx list",
			"also those that are mined, replaced or rejected", "kvclef tx list --all",
			"those of the services that are hosted, too", "kvclef tx list --all-services",
		) + "\n\nWhere no signer is running the state is read, which does not tell unsure from sent: both are shown as unsure." +
			"\n\nunsure: kept and perhaps sent, no node has said that it knows it. sent: a node took it. mined: in a block that is" +
			"\nnot deep yet. final: in one that is. replaced: another transaction has its nonce. rejected: the node refused it.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "finished ones, too", DisableDefaultText: true},
			&cli.StringFlag{Name: "account", Usage: "those of an `ADDRESS` alone"},
			serviceFlag(),
			&cli.BoolFlag{Name: "all-services", Usage: "the signer's own, and those of every hosted service", DisableDefaultText: true},
			&cli.IntFlag{Name: "limit", Usage: "at most `N`, the newest of each account", Value: 1000},
			jsonFlag(),
		}),
		Action: action(p.txList),
	}
}

func (p *program) txShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show all that is known of a transaction, with its raw bytes",
		UsageText: "kvclef tx show HASH [--service ID] [--datadir DIR] [--raw | --json]",
		Description: examples(
			"one", "kvclef tx show 0xHASH",
			"its bytes, to send it by other means", "cast publish --rpc-url http://localhost:8545 $(kvclef tx show 0xHASH --raw)",
		) + "\n\nWhere no signer is running the state is read. The bytes are kept until the transaction is final.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			serviceFlag(),
			&cli.BoolFlag{Name: "raw", Usage: "print the raw bytes alone, as eth_sendRawTransaction takes them", DisableDefaultText: true},
			jsonFlag(),
		}),
		Action: action(p.txShow),
	}
}

func (p *program) txBumpCommand() *cli.Command {
	return &cli.Command{
		Name:      "bump",
		Usage:     "send a transaction again with higher fees",
		UsageText: "kvclef tx bump HASH [--percent N] [--service ID] [--datadir DIR] [--json]",
		Description: examples(
			"as much as a node asks for, or the market's price", "kvclef tx bump 0xHASH",
			"half as much again", "kvclef tx bump 0xHASH --percent 50",
		) + "\n\nThe rules decide about it as about every transaction, for principal local, whoever sent it: rules for the callers of" +
			"\nthe proxy alone (anonymous, or the name of a certificate or token) don't allow it. Whichever is mined replaces the other.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			serviceFlag(),
			&cli.UintFlag{Name: "percent", Usage: "raise the fees by `N` percent, and at least by what nodes ask for", DefaultText: "12.5, with blobs 100"},
			jsonFlag(),
		}),
		Action: action(func(c *cli.Context) error {
			query := url.Values{}
			if c.IsSet("percent") {
				if percent := c.Uint("percent"); percent > math.MaxUint16 {
					return usagef("--percent: %d; it must be from 0 to %d", percent, math.MaxUint16)
				}
				query.Set("percent", strconv.FormatUint(uint64(c.Uint("percent")), 10))
			}
			return p.txReplace(c, "/bump", query)
		}),
	}
}

func (p *program) txCancelCommand() *cli.Command {
	return &cli.Command{
		Name:      "cancel",
		Usage:     "put a transaction of nothing in the place of one that is not mined yet",
		UsageText: "kvclef tx cancel HASH [--service ID] [--datadir DIR] [--json]",
		Description: examples("one", "kvclef tx cancel 0xHASH") + "\n\nThe account sends 0 wei to itself with the same nonce and higher fees: the rules must allow it\n" +
			"for principal local, whoever sent the old one, such as by {principal: [local], kind: [transaction], to: self, plain: true," +
			"\nvalue_max: 0 wei}. The old one may still be mined; see kvclef tx show.",
		Flags:  slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{serviceFlag(), jsonFlag()}),
		Action: action(func(c *cli.Context) error { return p.txReplace(c, "/cancel", url.Values{}) }),
	}
}

func serviceFlag() cli.Flag {
	return &cli.StringFlag{Name: "service", Usage: "of the hosted service with this `ID`, in the place of the signer's own"}
}

// serviceOf returns the service that is asked about, "" for the signer's own.
func serviceOf(c *cli.Context) (string, error) {
	id := c.String("service")
	if c.IsSet("service") && id == "" {
		return "", usagef("--service is empty: give the id of a hosted service, or leave it out for the signer's own")
	}
	if id != "" && !hosting.IsID(id) {
		return "", usagef("--service: %q is no service's id, which has %d small letters and digits, such as a1b2c3d4e5", id, hosting.IDSize)
	}
	return id, nil
}

// txReplace asks for a replacement, and prints its hash.
func (p *program) txReplace(c *cli.Context, how string, query url.Values) error {
	hash, err := aboutTransaction(c)
	if err != nil {
		return err
	}
	service, err := serviceOf(c)
	if err != nil {
		return err
	}
	query.Set("service", service)
	dir, err := p.findDataDir(c)
	if err != nil {
		return err
	}
	client, err := admin.Connect(c.Context, dir.AdminSocket())
	if errors.Is(err, admin.ErrNotRunning) {
		return fmt.Errorf("no signer is running on %s, and a replacement must be signed: start it, such as with kvclef proxy, which also"+
			" sends again what is under way; kvclef tx show %s --raw gives the bytes of the transaction meanwhile", dir.Path(), hash)
	}
	if err != nil {
		return err
	}
	var made replacement
	if err := client.Transactions(c.Context, http.MethodPost, "/"+hash.Hex()+how+"?"+query.Encode(), &made); err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(made)
	}
	return p.printf("%s\n", made.Hash)
}

// aboutTransaction reads the argument of a command about one transaction.
func aboutTransaction(c *cli.Context) (common.Hash, error) {
	args, err := arguments(c, "HASH")
	if err != nil {
		return common.Hash{}, err
	}
	hash, err := transactionHash(args[0])
	if err != nil {
		return common.Hash{}, &usageError{err}
	}
	return hash, nil
}
