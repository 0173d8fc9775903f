package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/rules/approval"
)

func (p *program) approvalsList(c *cli.Context) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	switch limit := c.Int("limit"); {
	case limit < 1:
		return usagef("--limit %d: it must be at least 1", limit)
	case c.Bool("ids") && c.Bool("json"):
		return usagef("--ids and --json are two ways to print: give one of them")
	}
	client, err := p.approvalsClient(c)
	if err != nil {
		return err
	}
	listing, err := client.List(c.Context, !c.Bool("all"), c.Int("limit"))
	switch {
	case err != nil:
		return err
	case c.Bool("json"):
		return p.printPlainJSON(listing)
	case c.Bool("ids"):
		for i := range listing.Tickets {
			if err := p.printf("%s\n", shown(listing.Tickets[i].ID)); err != nil {
				return err
			}
		}
		return nil
	}
	return p.printf("%s", ticketTable(listing, c.Bool("all")))
}

func (p *program) approvalsShow(c *cli.Context) error {
	id, err := ticketArgument(c)
	if err != nil {
		return err
	}
	client, err := p.approvalsClient(c)
	if err != nil {
		return err
	}
	shown, err := client.Show(c.Context, id)
	if err != nil {
		return err
	}
	return p.printTicket(c, shown)
}

// ticketArgument returns the id that a command is about.
func ticketArgument(c *cli.Context) (string, error) {
	args, err := arguments(c, "TICKET")
	if err != nil {
		return "", err
	}
	if err := approvals.CheckID(args[0]); err != nil {
		return "", &usageError{err}
	}
	return args[0], nil
}

// printTicket prints a ticket as the flags say.
func (p *program) printTicket(c *cli.Context, shown *approvals.Shown) error {
	if c.Bool("json") {
		return p.printPlainJSON(plainTicket(shown))
	}
	page, err := ticketPage(shown, c.Bool("full"), p.colours())
	if err != nil {
		return err
	}
	return p.printf("%s", page)
}

// approvalsVote votes on a ticket as it was shown.
func (p *program) approvalsVote(c *cli.Context, approve bool) error {
	id, err := ticketArgument(c)
	if err != nil {
		return err
	}
	wanted, asks := c.String("hash"), !c.Bool("yes")
	switch raw, err := hexutil.Decode(wanted); {
	case wanted != "" && (err != nil || len(raw) != common.HashLength):
		return usagef("--hash: %q is not the hash of a ticket, 0x and 64 hexadecimal digits, which kvclef approvals show has shown", wanted)
	case asks && c.Bool("json"):
		return usagef("--json does not ask: give --yes and --hash as well")
	case !isTerminal(p.stdin) && (asks || wanted == ""):
		return usagef("nobody can be asked, since the input is no terminal: give --yes and --hash, which kvclef approvals show has shown")
	}
	client, err := p.approvalsClient(c)
	if err != nil {
		return err
	}
	before, err := client.Show(c.Context, id)
	if err != nil {
		return err
	}
	if hash := before.Ticket.Hash.Hex(); wanted != "" && !strings.EqualFold(wanted, hash) {
		return fmt.Errorf("the ticket %s has the hash %s, and --hash is another: look at it again", id, hash)
	}
	if !c.Bool("json") {
		if err := p.printTicket(c, before); err != nil {
			return err
		}
	}
	if asks {
		if err := p.confirmVote(c.Context, before, approve); err != nil {
			return err
		}
	}
	vote := approvals.Vote{Hash: before.Ticket.Hash.Hex(), Approve: approve, Comment: c.String("comment")}
	after, err := client.Vote(c.Context, id, vote)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printPlainJSON(plainTicket(after))
	}
	return p.printf("%s\n", voted(after.Ticket))
}

// confirmVote asks for a yes, in full.
func (p *program) confirmVote(ctx context.Context, shown *approvals.Shown, approve bool) error {
	you, verb := shown.View.You, "Reject"
	if you == "" {
		you = "nobody who may vote"
	}
	if approve {
		verb = "Approve"
	}
	if _, err := fmt.Fprintf(p.stderr, "%s this as %s? Type yes: ", verb, you); err != nil {
		return err
	}
	answer := make(chan string, 1)
	go func() { // reading can't be interrupted; the process ends soon
		line, err := bufio.NewReader(io.LimitReader(p.stdin, 100)).ReadString('\n')
		if err != nil {
			line = ""
		}
		answer <- strings.TrimSpace(line)
	}()
	select {
	case text := <-answer:
		if !strings.EqualFold(text, "yes") {
			return errors.New("not confirmed, so nothing was voted: type yes, or give --yes")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// voted says what became of a ticket by a vote.
func voted(t *approval.Ticket) string {
	switch t.State {
	case approval.StateRejected:
		return "Rejected."
	case approval.StateOpen:
		var wants []string
		for i, missing := range t.Missing() {
			if missing > 0 {
				wants = append(wants, fmt.Sprintf("%d of %s", missing, shown(t.Content.Quorums[i].Group)))
			}
		}
		return "Approved by you. It waits for " + strings.Join(wants, " and ") + "."
	default:
		return "Approved. It is signed when its caller asks for it until " + shownTime(t.UseBy) + "."
	}
}
