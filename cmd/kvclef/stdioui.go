package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefargs"
	"github.com/kvclef/kvclef/rules/clefui"
)

// uiFlags are those of a user interface that was made for Clef.
func uiFlags() []cli.Flag {
	return []cli.Flag{
		boolFlag(categoryRules, "stdio-ui", "ask a user interface made for Clef, on the standard streams, what no rule decides"),
		boolFlag(categoryRules, "stdio-ui.changes", "let it change a transaction, which is then decided anew; otherwise that is refused"),
	}
}

// uiOptions are the streams that a user interface is at the other end of.
type uiOptions struct {
	in      io.Reader
	out     io.Writer // nil: there is no interface
	changes bool
}

// uiStreams returns the streams of the user interface, if there is to be one. What
// the signer prints then goes to the standard error stream.
func (p *program) uiStreams(c *cli.Context, cfg *config.Config) (uiOptions, error) {
	options := uiOptions{changes: c.Bool("stdio-ui.changes")}
	switch {
	case !c.Bool("stdio-ui") && options.changes:
		return options, usagef("--stdio-ui.changes goes with --stdio-ui")
	case !c.Bool("stdio-ui"):
		return options, nil
	case cfg.Approvals.Enabled():
		return options, usagef("--stdio-ui and approvals.people both say who decides what rules refer to people: remove one of them")
	case c.Bool("approve-all"):
		return options, usagef("--approve-all approves everything, and --stdio-ui asks: remove one of them")
	}
	options.in, options.out = p.stdin, p.stdout
	p.stdout = p.stderr
	return options, nil
}

// connectUI has a user interface decide what rules refer to people, if there is one.
func (d *durable) connectUI(ctx context.Context, cfg *config.Config, options uiOptions, accounts func() []rules.Account) error {
	if options.out == nil {
		return nil
	}
	ui, err := clefui.Connect(ctx, options.in, options.out, clefui.Options{
		Ledger: d.store, Changes: options.changes, Accounts: accounts, ChainID: func() uint64 { return cfg.ChainIDs[0] }, Logger: d.log,
	})
	if err != nil {
		return err
	}
	d.ui, d.approver = ui, ui
	return nil
}

// startUI tells the user interface where the signer listens.
func (d *durable) startUI(ctx context.Context, open addresses) error {
	if d.ui == nil {
		return nil
	}
	var http string
	if open.http != "" {
		http = open.httpURL() + "/"
	}
	if err := d.ui.Start(ctx, clefargs.StartupOf(http, open.ipc, extapi.Version)); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	return nil
}
