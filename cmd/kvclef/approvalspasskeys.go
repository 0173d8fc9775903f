package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
)

func (p *program) approvalsEnrolCommand() *cli.Command {
	return &cli.Command{
		Name:      "enrol",
		Usage:     "make a link by which a person adds a passkey, once",
		UsageText: "kvclef approvals enrol PERSON [--json]",
		Description: examples("a link for alice", "kvclef approvals enrol alice") +
			"\n\nGive the link to the person alone: whoever opens it first approves in that name. It is good for 15 minutes and one passkey." +
			"\nIt asks the signer that is running, over the admin socket, which is the operator's.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{jsonFlag()}),
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "PERSON")
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]string{"person": args[0]})
			if err != nil {
				return err
			}
			var made enrolment
			if err := p.askPasskeys(c, http.MethodPost, "", bytes.NewReader(body), &made); err != nil {
				return err
			}
			if c.Bool("json") {
				return p.printJSON(made)
			}
			p.sayf("For %s alone, until %s:", shown(made.Person), made.Until.Local().Format("15:04 MST"))
			return p.printf("%s\n", shown(made.Link))
		}),
	}
}

func (p *program) approvalsPasskeysCommand() *cli.Command {
	return &cli.Command{
		Name:      "passkeys",
		Usage:     "list passkeys, or remove one",
		UsageText: "kvclef approvals passkeys [PERSON] [--json], or kvclef approvals passkeys --remove ID",
		Description: examples("all", "kvclef approvals passkeys", "those of alice", "kvclef approvals passkeys alice", "one is lost", "kvclef approvals passkeys --remove ID") +
			"\n\nVotes that were cast with a passkey stay counted, and can be proved, when it is removed. Its person is signed out everywhere.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.StringFlag{Name: "remove", Usage: "remove the passkey with this `ID`"},
			jsonFlag(),
		}),
		Action: action(p.passkeys),
	}
}

func (p *program) passkeys(c *cli.Context) error {
	person := c.Args().First()
	if _, err := arguments(c, make([]string, min(1, c.NArg()))...); err != nil {
		return err
	}
	if id := c.String("remove"); c.IsSet("remove") {
		if id == "" || person != "" {
			return usagef("--remove takes the ID of one passkey and no PERSON; see kvclef approvals passkeys")
		}
		return p.askPasskeys(c, http.MethodDelete, "?id="+url.QueryEscape(id), http.NoBody, new(struct{}))
	}
	var all []shownPasskey
	if err := p.askPasskeys(c, http.MethodGet, "", http.NoBody, &all); err != nil {
		return err
	}
	if person != "" {
		all = slices.DeleteFunc(all, func(key shownPasskey) bool { return key.Person != person })
	}
	if c.Bool("json") {
		return p.printJSON(all)
	}
	if len(all) == 0 {
		return p.printf("none\n")
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, key := range all {
		used := "never"
		if !key.Used.IsZero() {
			used = key.Used.UTC().Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\tadded %s\tused %s\t%s\n", shown(key.Person), shown(key.ID), key.Added.UTC().Format(time.DateTime), used, shown(key.Label))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return p.printf("%s", b.String())
}

// askPasskeys asks the signer that is running.
func (p *program) askPasskeys(c *cli.Context, method, query string, body io.Reader, into any) error {
	dir, err := p.findDataDir(c)
	if err != nil {
		return err
	}
	client, err := admin.Connect(c.Context, dir.AdminSocket())
	if err != nil {
		return err
	}
	return client.Ask(c.Context, method, admin.PathPasskeys+query, body, into)
}
