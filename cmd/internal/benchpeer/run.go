package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// options say what is compared and how long.
type options struct {
	kvclef, clef string // paths; without Clef kvclef is measured alone
	rounds       int
	window       time.Duration
	callers      []int    // at the same time, each with a connection of its own
	transports   []string // ipc, http
	offered      []int    // requests a second of kvclef's windows in which callers don't wait for answers
	only         []string // contenders by name; none: all
	profile      string   // folder for what perf records; "" records nothing
	json         string   // path; "" writes none
}

// run measures, prints each window when it has ended and the report at the end.
func run(ctx context.Context, out io.Writer, o options) (err error) {
	if o.rounds < 1 || o.window < 50*time.Millisecond {
		return fmt.Errorf("%d rounds of %s are nothing to measure by: take 1 or more of 50ms or longer", o.rounds, o.window)
	}
	if o.clef != "" {
		if o.clef, err = filepath.Abs(o.clef); err != nil { // it starts in another folder
			return fmt.Errorf("finding Clef: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "benchpeer-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &report{Machine: readMachine(), Rounds: o.rounds, Window: o.window.String(), Started: time.Now().UTC().Truncate(time.Second)}
	if r.Programs, err = versions(ctx, o.kvclef, o.clef); err != nil {
		return err
	}
	field, stop, err := startAll(ctx, dir, o)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	p := &printer{out: out}
	p.head(r)
	if err := closedLoop(ctx, p, r, field, o); err != nil {
		return err
	}
	if err := openLoop(ctx, p, r, field, o); err != nil {
		return err
	}
	for _, c := range field {
		total, err := c.total(ctx)
		if err != nil {
			return fmt.Errorf("asking %s for its total: %w", c.name, err)
		}
		r.Totals = append(r.Totals, counted{Contender: c.name, Signed: c.signed.Load(), Total: total})
	}
	r.summarise()
	p.summary(r)
	if p.err != nil {
		return p.err
	}
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o644) //nolint:gosec // a report is public
}

// closedLoop measures windows in which each caller asks again when it has its
// answer. All contenders have a window in each round, another of them first each
// time.
func closedLoop(ctx context.Context, p *printer, r *report, field []*contender, o options) error {
	for _, transport := range o.transports {
		for _, callers := range o.callers {
			for _, c := range field { // connections, caches, pools
				if _, err := c.measure(ctx, load{transport: transport, callers: callers, window: o.window / 10}); err != nil {
					return err
				}
			}
			for round := range o.rounds {
				for i := range field {
					c := field[(i+round)%len(field)]
					w, err := c.measure(ctx, load{transport: transport, callers: callers, window: o.window, profile: o.profile})
					if err != nil {
						return err
					}
					w.Round = round + 1
					r.Windows = append(r.Windows, w)
					p.window(w)
				}
			}
		}
	}
	return nil
}

// openLoop measures kvclef's windows at a fixed rate, by IPC.
func openLoop(ctx context.Context, p *printer, r *report, field []*contender, o options) error {
	for _, rate := range o.offered {
		for round := range o.rounds {
			for _, c := range field {
				if c.peer {
					continue // it can't follow
				}
				w, err := c.measure(ctx, load{transport: "ipc", callers: 64, rate: rate, window: o.window})
				if err != nil {
					return err
				}
				w.Round = round + 1
				r.Windows = append(r.Windows, w)
				p.window(w)
			}
		}
	}
	return nil
}
