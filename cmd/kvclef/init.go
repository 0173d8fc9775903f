package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

func (p *program) initCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "make the data directory, with an empty state",
		UsageText: "kvclef init [--datadir DIR] [--if-missing] [--forget-limits]",
		Description: examples(
			"in the home directory", "kvclef init",
			"for a service, as its user", "kvclef init --datadir /var/lib/kvclef",
		) + "\n\nThe state is what rule files keep and what was spent of limits. It is made on purpose, once: a" +
			"\nsigner that began with an empty one because a path was mistyped would forget what was spent. So" +
			"\nbeside an audit log that has entries it makes none without --forget-limits." +
			"\nUnlike Clef's init it makes no master seed and asks for no password: there are none, the keys" +
			"\nstay in the vault.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), []cli.Flag{
			&cli.BoolFlag{
				Name: "if-missing", DisableDefaultText: true,
				Usage: "leave a state that is there already as it is, for installations by machine",
			},
			&cli.BoolFlag{
				Name: "forget-limits", DisableDefaultText: true,
				Usage: "make an empty state although the audit log has entries: what was spent of limits is forgotten",
			},
		}),
		Action: action(p.init),
	}
}

func (p *program) init(c *cli.Context) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	cfg, err := settings(c)
	if err != nil {
		return err
	}
	path, err := dataDir(cfg)
	if err != nil {
		return err
	}
	dir, err := datadir.Make(path)
	if err != nil {
		return &usageError{err}
	}
	if !c.Bool("forget-limits") {
		if err := mayBegin(c.Context, cfg, dir); err != nil {
			return err
		}
	}
	place, old, made, err := makeState(c.Context, cfg, dir)
	switch {
	case errors.Is(err, bolt.ErrExists) && c.Bool("if-missing"):
		return p.printf("State           %s, as it was\n", datadir.Absolute(dir.Store()))
	case errors.Is(err, bolt.ErrExists):
		return usagef("%s is a data directory already: look into it with kvclef state show; to begin anew, which forgets what was spent, move %s away first",
			datadir.Absolute(dir.Path()), datadir.Absolute(dir.Store()))
	case err != nil:
		return err
	case old > 0 && old == made:
		place += ", which other signers may use already"
	case old > 0:
		place += fmt.Sprintf(", brought from version %d to %d", old, made)
	}
	record, goesOn, err := logOf(c.Context, cfg, dir)
	if record == "" {
		return err
	}
	if c.Bool("forget-limits") && !cfg.Store.Postgres.Enabled() {
		if err := forgetAll(c.Context, cfg, dir, record); err != nil {
			return err
		}
	}
	begins := "from the first start"
	if goesOn != "" {
		begins = "which is there and " + goesOn
	}
	if goesOn != "" && old == 0 { // a state that was there knows its logs
		p.sayf("kvclef: warning: %s is of a signer that had another state: what it spent of limits is not known here. Lower the caps of the policy by what the log shows, until the longest window has passed", record)
	}
	return p.printf("Data directory  %s\nState           %s\nAudit log       %s, %s\n\n%s", datadir.Absolute(dir.Path()), place, record, begins, afterInit(cfg, c.IsSet("config")))
}

// forgetAll has a new state remember, until an audit log tells, that it may go on with one
// that has entries.
func forgetAll(ctx context.Context, cfg *config.Config, dir datadir.Dir, log string) error {
	state, err := openStore(ctx, cfg, dir, bolt.Options{})
	if err != nil {
		return err
	}
	err = state.Forget(ctx, store.LogHead{Log: log, Time: time.Now().UTC().Truncate(time.Second)})
	return errors.Join(err, state.Close())
}

// afterInit says what comes next. A configuration file may name what decides, and the rest.
func afterInit(cfg *config.Config, file bool) string {
	var files []string
	for _, path := range []string{cfg.Rules.Policy, cfg.Rules.File} {
		if path != "" {
			files = append(files, path)
		}
	}
	rest := ""
	if !file {
		rest = " --policy policy.yaml --chainid ID --vault https://NAME.vault.azure.net"
	}
	if len(files) == 0 {
		files = []string{"policy.yaml"}
	}
	var b strings.Builder
	fmt.Fprint(&b, "Next, allow the policy (or a rule file of Clef) and start with it:\n")
	for _, path := range files {
		fmt.Fprintf(&b, "  kvclef rules attest%s %s\n", cfg.Place, shellQuote(path))
	}
	fmt.Fprintf(&b, "  kvclef serve%s%s\n", cfg.Place, rest)
	return b.String()
}

// openStore opens the store of a data directory. What can be mended by another
// path, or by kvclef init, is wrong usage: the flags of the place go with that.
func openStore(ctx context.Context, cfg *config.Config, dir datadir.Dir, options bolt.Options) (*bolt.Store, error) {
	store, err := bolt.Open(ctx, dir.Store(), options)
	if err != nil {
		return nil, storeError(ctx, cfg, dir, err)
	}
	return store, nil
}

// storeError tells wrong usage from what failed.
func storeError(ctx context.Context, cfg *config.Config, dir datadir.Dir, err error) error {
	switch {
	case errors.Is(err, bolt.ErrMissing):
		return noState(ctx, cfg, dir)
	case errors.Is(err, bolt.ErrForeign):
		return usagef("%w: if it was one, it is damaged: put a copy that kvclef state backup made in its place, which forgets what was spent since", err)
	case errors.Is(err, bolt.ErrNewer):
		return &usageError{err}
	}
	return err
}
