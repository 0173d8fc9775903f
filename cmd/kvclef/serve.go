package main

import (
	"context"
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

func (p *program) serveCommand() *cli.Command {
	return &cli.Command{
		Name:      "serve",
		Usage:     "sign with the keys of the configured vaults",
		UsageText: "kvclef [serve] --chainid ID (--config FILE | --vault URL) [flags]",
		Description: examples(
			"a configuration file", "kvclef serve --config /etc/kvclef/kvclef.yaml",
			"no file: the AZURE_* variables and flags", "kvclef serve --chainid 10 --policy policy.yaml --vault https://kv-prod.vault.azure.net",
			"where a node that expects Clef looks for it", "kvclef --chainid 1 --configdir ~/.clef --rules rules.js --vault https://kv-prod.vault.azure.net",
		) + "\n\nA policy decides what is signed, --policy FILE, or a rule file of Clef, --rules FILE. They need the data" +
			"\ndirectory, which kvclef init makes, and must be attested, by kvclef rules attest. Without either accounts" +
			"\nare listed, and every signing request is refused.",
		Flags:  slices.Concat(serveFlags(), uiFlags()),
		Action: action(p.serve),
	}
}

// serveFlags are those that say what a signer starts with.
func serveFlags() []cli.Flag {
	return slices.Concat(generalFlags(), dataFlags("~/.kvclef"), ruleFlags(), vaultFlags(), signerFlags("~/.kvclef/kvclef.ipc"), observeFlags())
}

func (p *program) serve(c *cli.Context) error {
	if err := keepMemory(c); err != nil {
		return err
	}
	cfg, err := serveSettings(c)
	if cfg == nil {
		return err
	}
	return p.signWith(c, cfg, "", err)
}

// signWith runs a signer with the configured vaults. The name is what its service
// in front of a node is called, "" if it has none. What is wrong with the settings
// already is told together with all else that is.
func (p *program) signWith(c *cli.Context, cfg *config.Config, name string, wrong error) (err error) {
	log := newLogger(p.stderr, cfg.Log)
	ui, err := p.uiStreams(c, cfg)
	wrong = errors.Join(wrong, err)
	options, err := serveOptions(cfg, ui.out != nil)
	if err := examine(c.Context, examination{cfg: cfg, options: options}, errors.Join(wrong, err)); err != nil {
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
	if err := (&signing{cfg: cfg, state: state, log: log}).placesFree(c.Context); err != nil {
		return err
	}
	vaults, err := openVaults(c.Context, cfg.Vaults, log, watch)
	if err != nil {
		return err
	}
	defer vaults.close()
	if err := state.connectUI(c.Context, cfg, ui, keyringSigner{vaults.keyring()}.Accounts); err != nil {
		return err
	}
	if !state.decides() {
		log.WarnContext(c.Context, "No rules are configured: accounts are listed, every signing request is refused")
	}
	state.accounts = keyringSigner{vaults.keyring()}.Accounts
	state.warnOfIdle(c.Context, cfg)
	if len(cfg.Vaults) == 0 { // or they were forgotten
		log.WarnContext(c.Context, "No vaults are configured: only hosted services sign")
	}
	signer := &signing{cfg: cfg, name: name, vaults: vaults, state: state, decider: state.decider(), watch: watch, log: log, ready: p.announceService(c.Context)}
	return signer.run(c.Context)
}

// serveOptions says where a signer keeps things, and that its files must be attested. One
// that asks a user interface needs the data directory too.
func serveOptions(cfg *config.Config, asks bool) (options durableOptions, err error) {
	options.attested, options.place = true, cfg.Place
	if asks || needsDataDir(cfg) {
		options.path, err = dataDir(cfg)
	}
	return options, err
}

// serveSettings returns the configuration of serve, which needs a chain and a
// vault. With an error comes what could be read of it, nil for nothing.
func serveSettings(c *cli.Context) (*config.Config, error) {
	_, wrong := arguments(c)
	cfg, err := settings(c)
	if err = errors.Join(wrong, err); cfg == nil {
		return nil, err
	}
	if misread := (*config.MisreadError)(nil); errors.As(err, &misread) {
		return cfg, err // what is missing may be what was not read
	}
	if len(cfg.ChainIDs) == 0 && !c.IsSet("chainid") { // or what was given is told to be wrong
		err = errors.Join(err, usagef("no chain id: give --chainid, such as --chainid 1 for Ethereum (there is no default, so that nothing is signed for the wrong chain)"))
	}
	if cfg.Proxy.Enabled() && cfg.Proxy.HostingKeyFile != "" { // hosted services bring vaults
		return cfg, err
	}
	return cfg, errors.Join(err, needVaults(c, cfg))
}

// needVaults refuses a configuration without a vault. One that --vault gave and that can't be
// meant has been told.
func needVaults(c *cli.Context, cfg *config.Config) error {
	if len(cfg.Vaults) == 0 && !c.IsSet("vault") {
		return usagef("no vault: give --vault https://NAME.vault.azure.net, or --config FILE with vaults in it")
	}
	return nil
}

// announceService prints where the signer listens, and tells the service manager.
func (p *program) announceService(ctx context.Context) func(addresses, []rules.Account) error {
	return func(open addresses, accounts []rules.Account) error {
		if err := p.announce(open, accounts); err != nil {
			return err
		}
		return notifyReady(ctx)
	}
}

// announce prints where the signer listens.
func (p *program) announce(open addresses, _ []rules.Account) error {
	if open.ipc != "" {
		if err := p.printf("IPC   %s\n", open.ipc); err != nil {
			return err
		}
	}
	if open.http != "" {
		if err := p.printf("HTTP  %s\n", open.httpURL()); err != nil {
			return err
		}
	}
	if open.proxy != "" {
		if err := p.printf("Proxy %s\n", open.proxyURL()); err != nil {
			return err
		}
	}
	if open.metrics != "" {
		return p.printf("Metrics http://%s/metrics\n", open.metrics)
	}
	return nil
}
