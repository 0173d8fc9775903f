package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
)

// errLost is for a watch that could not keep up.
var errLost = errors.New("some changes were lost")

// approvalsWatch prints what waits, and what becomes of it.
func (p *program) approvalsWatch(c *cli.Context) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	client, err := p.approvalsClient(c)
	if err != nil {
		return err
	}
	for {
		begun := false
		err := client.Watch(c.Context, func(notice approvals.Notice) error {
			switch {
			case notice.Lost:
				return errLost
			case notice.ID == "" && begun:
				return nil
			case notice.ID == "":
				begun = true // from here on nothing is missed
				return p.watchBegins(c, client)
			default:
				return p.watchTells(c, client, notice)
			}
		})
		if c.Err() != nil {
			return nil //nolint:nilerr // an interrupt is how watching ends
		}
		switch {
		case errors.Is(err, errLost):
			p.sayf("kvclef: %v: all that waits follows", err)
		case err != nil:
			return err
		default:
			return errors.New("the signer has ended")
		}
	}
}

// watchBegins prints what waits now.
func (p *program) watchBegins(c *cli.Context, client *approvals.Client) error {
	listing, err := client.List(c.Context, true, 1000)
	if err != nil {
		return err
	}
	for i := len(listing.Tickets) - 1; i >= 0; i-- {
		t := &listing.Tickets[i]
		notice := approvals.Notice{ID: t.ID, State: t.State}
		if err := p.watchLine(c, notice, t); err != nil {
			return err
		}
	}
	return nil
}

// watchTells prints a change.
func (p *program) watchTells(c *cli.Context, client *approvals.Client, notice approvals.Notice) error {
	if notice.Before != "" || c.Bool("json") {
		return p.watchLine(c, notice, nil)
	}
	summary, err := p.summaryOf(c.Context, client, notice.ID)
	if err != nil {
		return err
	}
	return p.watchLine(c, notice, summary)
}

// summaryOf looks for a ticket among those that wait; nil if it does not any more.
func (p *program) summaryOf(ctx context.Context, client *approvals.Client, id string) (*approvals.Summary, error) {
	listing, err := client.List(ctx, true, 1000)
	if err != nil {
		return nil, err
	}
	for i := range listing.Tickets {
		if listing.Tickets[i].ID == id {
			return &listing.Tickets[i], nil
		}
	}
	return nil, nil //nolint:nilnil // it was decided meanwhile
}

func (p *program) watchLine(c *cli.Context, notice approvals.Notice, summary *approvals.Summary) error {
	if c.Bool("json") {
		text, err := json.Marshal(notice)
		if err != nil {
			return fmt.Errorf("encoding JSON: %w", err)
		}
		return p.printf("%s\n", plainJSON(text))
	}
	return p.printf("%s\n", noticeLine(notice, summary))
}
