package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend/keyvault"
)

func (p *program) keysDisableCommand() *cli.Command {
	return &cli.Command{
		Name:      "disable",
		Usage:     "disable a key, so that the vault signs with it no more",
		UsageText: "kvclef keys disable NAME[/VERSION]|ADDRESS [--vault VAULT] [--yes]",
		Description: examples("all versions", "kvclef keys disable treasury --config kvclef.yaml --vault kv-prod") +
			"\n\nA name stands for all versions that are enabled, an address for all that have it; also for those that are" +
			"\nnot valid yet. It takes the right to list them, to read and to update. The exit code is 0 only if it is certain" +
			"\nthat none is left. Where the configuration names keys, an address is looked for among those alone.",
		Flags: keysFlags(yesFlag()),
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "NAME")
			if err == nil {
				err = namesAccount(c, args[0])
			}
			if err != nil {
				return err
			}
			return p.disable(c, args[0])
		}),
	}
}

// disable disables what could sign for an address, a key, or a version of one. It
// reads of the vault only what it has to: it is for an emergency. What can't be
// disabled does not keep it from the rest, and what may be left is an error.
func (p *program) disable(c *cli.Context, name string) error {
	cfg, err := oneVault(c)
	if err != nil {
		return err
	}
	vault, err := connectVault(c.Context, cfg.Vaults[0], newLogger(p.stderr, cfg.Log))
	if err != nil {
		return err
	}
	defer vault.Close()
	if common.IsHexAddress(name) && len(cfg.Vaults[0].Keys) > 0 {
		p.sayf("kvclef: warning: %s is looked for among the keys of the configuration alone: --vault %s without --config looks at all of the vault", name, cfg.Vaults[0].URL)
	}
	targets, unknown := enabledVersions(c.Context, vault, name)
	if len(targets) == 0 && unknown != nil {
		return fmt.Errorf("nothing was disabled: %w", unknown)
	}
	if len(targets) == 0 {
		return fmt.Errorf("no enabled key %q in vault %s; see kvclef keys list", name, vault.Name())
	}
	for _, target := range targets {
		p.sayf("%s", line(target))
	}
	question := fmt.Sprintf("Disable %s in vault %s?", counted(len(targets), "version"), vault.Name())
	if unknown != nil {
		question = fmt.Sprintf("Disable %s in vault %s, and leave what is not known?", counted(len(targets), "version"), vault.Name())
	}
	if err := p.confirm(c, question); err != nil {
		return errors.Join(err, unknown)
	}
	failures := []error{unknown}
	for _, target := range targets {
		if err := vault.Disable(c.Context, target.Key, target.Version); err != nil {
			failures = append(failures, fmt.Errorf("%s is not disabled, and may go on signing: %w", target, err))
			continue
		}
		if err := p.printf("disabled %s\n", line(target)); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// enabledVersions returns the versions that a text names and that are enabled. An
// error says what may be left besides them.
func enabledVersions(ctx context.Context, vault *keyvault.Vault, name string) ([]keyvault.Version, error) {
	if !common.IsHexAddress(name) {
		versions, err := vault.EnabledVersions(ctx, name)
		if err != nil {
			err = fmt.Errorf("the versions of key %s in vault %s are not all known, so that some may go on signing: %w", name, vault.Name(), err)
		}
		return versions, err
	}
	return enabledVersionsOf(ctx, vault, common.HexToAddress(name))
}

// enabledVersionsOf returns the versions that have an address. A vault finds none by
// it, so that all that could sign, now or later, are read.
func enabledVersionsOf(ctx context.Context, vault *keyvault.Vault, address common.Address) ([]keyvault.Version, error) {
	if err := vault.Refresh(ctx); err != nil {
		return nil, err
	}
	var versions []keyvault.Version
	for _, account := range vault.Accounts() {
		if account.Address == address {
			versions = append(versions, keyvault.Version{Key: account.Key, Version: account.Version, Address: account.Address})
		}
	}
	var left []error
	for _, version := range vault.AsleepVersions(ctx) {
		switch version.Address {
		case address:
			versions = append(versions, version)
		case common.Address{}:
			left = append(left, fmt.Errorf("%s can't be read, and may go on signing for %s: if it is a key of that address, kvclef keys disable %[1]s", version, address.Hex()))
		}
	}
	if unread := unreadKeys(vault); unread != "" {
		left = append(left, fmt.Errorf("a key that can't be read may go on signing for %s: %s", address.Hex(), unread))
	}
	return versions, errors.Join(left...)
}

// line is a version with its address.
func line(v keyvault.Version) string {
	address := v.Address.Hex()
	if v.Address == (common.Address{}) {
		address = "an unknown address"
	}
	return fmt.Sprintf("%s  %s", address, v)
}
