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
			"\n\nA name stands for all versions that are enabled, also those that are not valid yet. It takes the right to" +
			"\nlist them, to read and to update. The exit code is 0 only if it is certain that none is left.",
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
	if err := vault.Refresh(ctx); err != nil {
		return nil, err
	}
	var versions []keyvault.Version
	for _, account := range vault.Accounts() {
		if answersTo(account, name) {
			versions = append(versions, keyvault.Version{Key: account.Key, Version: account.Version, Address: account.Address})
		}
	}
	if unread := unreadKeys(vault); unread != "" {
		return versions, fmt.Errorf("a key that can't be read may go on signing for %s: %s", name, unread)
	}
	return versions, nil
}

// line is a version with its address.
func line(v keyvault.Version) string {
	address := v.Address.Hex()
	if v.Address == (common.Address{}) {
		address = "an unknown address"
	}
	return fmt.Sprintf("%s  %s", address, v)
}
