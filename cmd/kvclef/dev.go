package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// devChain is the chain id of dev, that of geth's own development chain.
const devChain = 1337

func (p *program) devCommand() *cli.Command {
	return &cli.Command{
		Name:      "dev",
		Usage:     "sign with an embedded vault, for development",
		UsageText: "kvclef dev [--approve-all | --policy FILE | --rules FILE] [flags]",
		Description: examples(
			"a signer with one new account", "kvclef dev --approve-all",
			"a policy that decides", "kvclef dev --policy policy.yaml",
			"a rule file of Clef that decides", "kvclef dev --rules rules.js",
			"keep the accounts and the state", "kvclef dev --approve-all --datadir ./dev",
			"sign with a key you have", "kvclef dev --approve-all --import ./key.hex",
			"feel a real vault's latency", "kvclef dev --approve-all --vault-latency 50ms",
			"in front of a development node", "kvclef dev --approve-all --node http://localhost:8545",
			"a real vault, on a private chain", "kvclef dev --approve-all --vault https://kv-test.vault.azure.net",
		) + "\n\nNOT FOR PRODUCTION. It listens on this machine only and refuses the chain ids of public networks." +
			"\nThe data directory and its state are made where they are missing, and policies and rule files need no attestation.",
		Flags: slices.Concat(generalFlags(), dataFlags("a temporary one, and keys in memory"), ruleFlags(), uiFlags(), proxyFlags(), vaultFlags(), signerFlags("kvclef.ipc in --datadir, or ~/.kvclef/kvclef.ipc"), observeFlags(), []cli.Flag{
			boolFlag(categoryDev, "approve-all", "sign everything that is asked for; without it nothing is signed"),
			stringFlag(categoryDev, "import", "`FILE` with a private key in hexadecimal to put into the embedded vault", ""),
			durationFlag(categoryDev, "vault-latency", "`TIME` that the embedded vault takes for each operation", "0s"),
		}),
		Action: action(p.dev),
	}
}

func (p *program) dev(c *cli.Context) (err error) {
	if err := keepMemory(c); err != nil {
		return err
	}
	cfg, wrong := p.devSettings(c)
	if cfg == nil {
		return wrong
	}
	ui, err := p.uiStreams(c, cfg)
	if err := examine(c.Context, examination{cfg: cfg, options: durableOptions{make: true}, loopbackOnly: true}, errors.Join(wrong, err)); err != nil {
		return err
	}
	log := newLogger(p.stderr, cfg.Log)
	options, err := devDurable(cfg)
	if err != nil {
		return err
	}
	tellLinks(c.Context, log)
	watch, err := newWatch(c.Context, cfg, log)
	if err != nil {
		return err
	}
	defer watch.close(c.Context)
	options.watch = watch
	state, err := openDurable(c.Context, cfg, options, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.close(c.Context)) }()
	if err := (&signing{cfg: cfg, state: state, loopbackOnly: true, log: log}).placesFree(c.Context); err != nil {
		return err
	}
	vaults, closeVaults, err := p.devVaults(c, cfg, log, watch)
	if err != nil {
		return err
	}
	defer closeVaults()
	if err := state.connectUI(c.Context, cfg, ui, keyringSigner{vaults.keyring()}.Accounts); err != nil {
		return err
	}
	state.accounts = keyringSigner{vaults.keyring()}.Accounts
	state.warnOfUnserved(c.Context, cfg)
	signer := &signing{
		cfg: cfg, vaults: vaults, state: state, decider: devDecider(c.Context, c.Bool("approve-all"), state, log), loopbackOnly: true, watch: watch, log: log,
	}
	signer.ready = func(open addresses, accounts []rules.Account) error {
		return p.welcome(open, accounts, cfg, state.dir.Path(), c.Bool("approve-all"))
	}
	return signer.run(c.Context)
}

// devDurable says where dev keeps its state: in a folder of one's choice, or in
// one that is removed at the end.
func devDurable(cfg *config.Config) (durableOptions, error) {
	if cfg.DataDir != "" {
		return durableOptions{path: cfg.DataDir, make: true}, nil
	}
	path, err := os.MkdirTemp("", "kvclef-dev-")
	if err != nil {
		return durableOptions{}, fmt.Errorf("making a temporary data directory: %w", err)
	}
	return durableOptions{path: path, make: true, temporary: true}, nil
}

// devDecider returns what judges requests.
func devDecider(ctx context.Context, approveAll bool, state *durable, log *slog.Logger) extapi.Decider {
	switch {
	case approveAll:
		log.WarnContext(ctx, "EVERY REQUEST IS APPROVED, NOT FOR PRODUCTION")
		return rules.ApproveAll{}
	case !state.decides():
		log.WarnContext(ctx, "No rules are configured: every signing request is refused; --approve-all approves them for development")
	}
	return state.decider()
}

// devVaults opens the vaults named, or else an embedded one.
func (p *program) devVaults(c *cli.Context, cfg *config.Config, log *slog.Logger, watch *watch) (vaultSet, func(), error) {
	if len(cfg.Vaults) > 0 {
		vaults, err := openVaults(c.Context, cfg.Vaults, log, watch)
		return vaults, vaults.close, err
	}
	var imported *ecdsa.PrivateKey
	if file := c.String("import"); file != "" {
		key, err := p.readKey(file)
		if err != nil {
			return nil, nil, err
		}
		imported = key
	}
	embedded, err := startEmbedded(c.Context, embeddedOptions{
		dataDir: cfg.DataDir, latency: c.Duration("vault-latency"), imported: imported, log: p.embeddedLogger(cfg.Log), watch: watch,
	})
	if err != nil {
		return nil, nil, err
	}
	return embedded.vaults, embedded.close, nil
}

// embeddedLogger returns the log of the embedded vault. That it is empty at
// first, or lacks the key that is about to be made, is no news.
func (p *program) embeddedLogger(cfg config.Log) *slog.Logger {
	if levelOf(cfg.Level) > slog.LevelDebug {
		cfg.Level = "error"
	}
	return newLogger(p.stderr, cfg)
}

// devSettings returns the configuration of dev: HTTP is on unless it is turned
// off, and what would reach beyond this machine or a private chain is refused. With an
// error comes what could be read of it, nil for nothing.
func (p *program) devSettings(c *cli.Context) (*config.Config, error) {
	_, unknown := arguments(c)
	cfg, wrong := settings(c)
	if wrong = errors.Join(unknown, wrong); cfg == nil {
		return nil, wrong
	}
	l := &cfg.Listeners
	if !c.IsSet("http") && !l.HTTP.Enabled {
		l.HTTP.Enabled = true
		wrong = errors.Join(wrong, cfg.ValidatePorts()) // which was not in their way before
	}
	if c.Bool("approve-all") && (cfg.Rules.Policy != "" || cfg.Rules.File != "") {
		wrong = errors.Join(wrong, usagef("--approve-all approves everything, and --policy and --rules decide by a file: remove one of them"))
	}
	if cfg.DataDir != "" {
		path, err := dataDir(cfg)
		cfg.DataDir, wrong = path, errors.Join(wrong, err)
		if l.IPC.Path == "" && cfg.ConfigDir == "" {
			l.IPC.Path = cfg.DataDir + "/" + ownSocket
		}
	}
	if host := l.HTTP.Addr; l.HTTP.Enabled && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		wrong = errors.Join(wrong, usagef("--http.addr: dev listens on this machine only, not on %q: use localhost, or kvclef serve", host))
		l.HTTP.Addr = "localhost" // nothing more need be said of it
	}
	if latency := c.Duration("vault-latency"); latency < 0 {
		wrong = errors.Join(wrong, usagef("--vault-latency: %s; it must be from 0s", latency))
	}
	for _, name := range []string{"import", "vault-latency"} {
		if c.IsSet(name) && len(cfg.Vaults) > 0 {
			wrong = errors.Join(wrong, usagef("--%s is for the embedded vault, and --vault or the configuration names another: remove one of them", name))
		}
	}
	switch {
	case len(cfg.ChainIDs) > 0:
	case wrong != nil: // the node need not be asked
	case cfg.Proxy.Enabled():
		ids, err := chainOfNode(c.Context, cfg, newLogger(p.stderr, cfg.Log))
		if err != nil {
			return nil, err
		}
		cfg.ChainIDs = ids
	default:
		cfg.ChainIDs = []uint64{devChain}
	}
	for _, id := range cfg.ChainIDs {
		if name, public := publicChainNamed(id); public {
			wrong = errors.Join(wrong, usagef("--chainid: %d is %s, a public network; dev signs for private chains only: use kvclef serve", id, name))
		}
	}
	return cfg, wrong
}
