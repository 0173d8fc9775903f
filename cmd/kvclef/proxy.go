package main

import (
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

func (p *program) proxyCommand() *cli.Command {
	return &cli.Command{
		Name:      "proxy",
		Usage:     "stand in front of a node, and sign what is sent through with the keys of the configured vaults",
		UsageText: "kvclef proxy --node ENDPOINT (--config FILE | --vault URL) [flags]",
		Description: examples(
			"a node on this machine", "kvclef proxy --node http://localhost:8545 --policy policy.yaml --vault https://kv-prod.vault.azure.net",
			"its socket, and a socket for a geth as well", "kvclef proxy --node /var/lib/geth/geth.ipc --ipcpath /run/kvclef/kvclef.ipc --config kvclef.yaml",
			"the documents of a hosted CloudHSM service", "kvclef proxy --cloudhsm configuration.json --cloudhsm-service service.json --node http://localhost:8545 --policy policy.yaml",
			"a provider's node, whose URL is a secret", "kvclef proxy --node.file /etc/kvclef/node-url --config /etc/kvclef/kvclef.yaml",
		) + "\n\nApplications point their RPC URL at it. eth_sendTransaction with an account of a vault is filled in, decided," +
			"\nsigned and sent; all other methods reach the node as they are, but for those that manage it or sign there, such as" +
			"\nadmin_* and debug_*: --proxy.allow lifts that. A policy or a rule file decides, as for kvclef serve," +
			"\nwhich does the same where its configuration has a node. Without --chainid the node's chain is signed for." +
			"\nThe data directory, which kvclef init makes, keeps the transactions under way: see kvclef tx.",
		Flags: slices.Concat(generalFlags(), dataFlags("~/.kvclef"), ruleFlags(), proxyFlags(), vaultFlags(), signerFlags("none"), observeFlags(), []cli.Flag{
			stringFlag(categoryVaults, "cloudhsm", "`FILE` with the configuration of a hosted CloudHSM, whose vault is used", ""),
			stringFlag(categoryVaults, "cloudhsm-service", "`FILE` with the service of a hosted CloudHSM, whose name is told", ""),
		}),
		Action: action(p.proxy),
	}
}

func (p *program) proxy(c *cli.Context) error {
	if err := keepMemory(c); err != nil {
		return err
	}
	_, unknown := arguments(c)
	cfg, wrong := settings(c)
	if wrong = errors.Join(unknown, wrong); cfg == nil {
		return wrong
	}
	name, err := hostedDocuments(c, cfg)
	wrong = errors.Join(wrong, err)
	if !cfg.Proxy.Enabled() {
		return errors.Join(wrong, usagef("no node: give --node http://localhost:8545, the path of its socket, or proxy.node in the configuration"))
	}
	if !c.IsSet("ipcdisable") && cfg.Listeners.IPC.Path == "" && cfg.ConfigDir == "" {
		cfg.Listeners.IPC.Disabled = true
	}
	if len(cfg.ChainIDs) == 0 && wrong == nil {
		if cfg.ChainIDs, err = chainOfNode(c.Context, cfg, newLogger(p.stderr, cfg.Log)); err != nil {
			return err
		}
	}
	if err := needVaults(c, cfg); err != nil && cfg.Proxy.HostingKeyFile == "" {
		wrong = errors.Join(wrong, err)
	}
	return p.signWith(c, cfg, name, wrong)
}

// hostedDocuments puts the documents of a hosted CloudHSM into the configuration,
// and returns the name of its service.
func hostedDocuments(c *cli.Context, cfg *config.Config) (name string, err error) {
	configuration, service := c.String("cloudhsm"), c.String("cloudhsm-service")
	if configuration == "" {
		if service != "" {
			return "", usagef("--cloudhsm-service needs --cloudhsm FILE, the configuration that it is of")
		}
		return "", nil
	}
	if len(cfg.Vaults) > 0 {
		return "", usagef("--cloudhsm names the vault, and --vault, KVCLEF_VAULT or the configuration names another: remove one of them")
	}
	vault, err := config.LoadHosted(configuration)
	if err != nil {
		return "", &usageError{err}
	}
	cfg.Vaults = []config.Vault{vault}
	if service != "" {
		document, err := config.LoadHostedService(service)
		if err != nil {
			return "", &usageError{err}
		}
		name = document.Name
	}
	if err := cfg.Validate(); err != nil {
		return "", &usageError{err}
	}
	return name, nil
}
