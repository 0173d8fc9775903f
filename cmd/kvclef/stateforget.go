package main

import (
	"errors"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

func (p *program) stateForgetCommand() *cli.Command {
	return &cli.Command{
		Name:      "forget",
		Usage:     "give up what a lost audit log has of the state",
		UsageText: "kvclef state forget --entry N [--datadir DIR]",
		Description: examples(
			"after a start that was refused and named entry 1234", "kvclef state forget --entry 1234",
		) + "\n\nAfter a crash, and in a copy of the state, what was held of limits since that entry is in the audit log" +
			"\nalone, or in those written after it. Without them the signer does not start: bring them back if you can. If" +
			"\nthey are lost, this has the signer start without what they had: after a crash up to 0.1 s of holds, with a" +
			"\ncopy all since. --entry 0 is for a state that was used with no audit log and is to go on with one that has" +
			"\nentries, as kvclef init --forget-limits makes it. Lower the caps of the policy by what may have been signed meanwhile, until the windows have" +
			"\npassed. Idempotency keys that were used since are forgotten, too: have callers hold their retries.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.Uint64Flag{Name: "entry", Usage: "the entry that the refused start named, so that nothing is forgotten by accident", DefaultText: "none"},
		}),
		Action: action(p.stateForget),
	}
}

func (p *program) stateForget(c *cli.Context) (err error) {
	if _, err := arguments(c); err != nil {
		return err
	}
	if !c.IsSet("entry") {
		return usagef("state forget: give --entry, the entry that the refused start named; usage: %s", c.Command.UsageText)
	}
	cfg, dir, err := p.findState(c)
	if err != nil {
		return err
	}
	if cfg.Store.Postgres.Enabled() {
		return usagef("the state is in PostgreSQL, which has all that was held: there is nothing to forget")
	}
	state, err := openStore(c.Context, cfg, dir, bolt.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	heads, err := state.LogHeads(c.Context)
	if err != nil {
		return err
	}
	k, some := upToOf(state.Unsettled(), state.Forgotten(), heads)
	if !some && knowsNone(heads, state.Forgotten()) && c.Uint64("entry") == 0 {
		path, err := auditPath(cfg, dir)
		if err != nil {
			return err
		}
		k, some = upTo{from: store.LogHead{Log: datadir.Absolute(path)}}, true
	}
	if k.from.Time.IsZero() { // no log was used
		k.from.Time = time.Now().UTC().Truncate(time.Second)
	}
	switch from := k.from; {
	case !some:
		return usagef("the state has all that was held: there is nothing to forget")
	case k.closed && from.Seq != c.Uint64("entry"):
		return usagef("the state was closed with entry %d of the audit log %s, not %d: give --entry %[1]d if it is a copy, and the logs since are lost", from.Seq, from.Log, c.Uint64("entry"))
	case from.Seq != c.Uint64("entry"):
		return usagef("the state relies on the audit log %s since entry %d, not %d: give --entry %[2]d if you mean that", from.Log, from.Seq, c.Uint64("entry"))
	default:
		if err := state.Forget(c.Context, from); err != nil {
			return err
		}
		return p.printf("Forgotten  what was held since entry %d of %s, %s\n", from.Seq, from.Log, from.Time.UTC().Format(time.RFC3339))
	}
}
