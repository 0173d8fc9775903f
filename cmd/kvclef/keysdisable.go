package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

func (p *program) keysDisableCommand() *cli.Command {
	return &cli.Command{
		Name:      "disable",
		Usage:     "disable a key, so that the vaults sign with it no more",
		UsageText: "kvclef keys disable ADDRESS|NAME[/VERSION] [--vault VAULT] [--yes]",
		Description: examples(
			"an address, in all vaults of the configuration", "kvclef keys disable 0x71562b71999873DB5b286dF957af199Ec94617F7 --config kvclef.yaml",
			"with the rights of who runs it, in two vaults", "kvclef keys disable 0x71562b71999873DB5b286dF957af199Ec94617F7 --vault https://kv-a.vault.azure.net --vault https://kv-b.vault.azure.net --credential azure-cli",
		) +
			"\n\nAn address stands for all versions of all keys that have it, also for those that are not valid yet. A name stands for the" +
			"\nversions of that key and, without --vault, for all others that have one of their addresses. NAME/VERSION is that version" +
			"\nalone. It takes the right to list keys, to read and to update them." +
			"\n\nThe exit code is 0 only if it is certain that no vault that is known signs for these addresses any more: with --vault the" +
			"\nother vaults of the configuration are looked at, and what is left there is told. Where the configuration" +
			"\nnames keys, an address is looked for among those alone.",
		Flags: keysFlags(yesFlag()),
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "ADDRESS|NAME")
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
// reads of the vaults only what it has to: it is for an emergency. What can't be
// reached or disabled does not keep it from the rest, and what may be left is an error.
func (p *program) disable(c *cli.Context, name string) error {
	cfg, err := toolSettings(c)
	if err != nil {
		return err
	}
	log := newLogger(p.stderr, cfg.Log)
	vaults, missing := connectVaults(c.Context, cfg.Vaults, log)
	defer vaults.close()
	if len(vaults) == 0 {
		return missing
	}
	p.warnOfNamedKeys(cfg, name)
	found, unknown, err := find(c.Context, vaults, name, everywhere(c, name))
	if err != nil {
		return err
	}
	unknown = errors.Join(unlooked(missing), unknown)
	for _, one := range found {
		p.sayf("%s", one)
	}
	switch {
	case len(found) == 0 && unknown == nil:
		unknown = fmt.Errorf("no enabled key %q in %s; see kvclef keys list", name, vaults)
	case len(found) == 0:
		unknown = fmt.Errorf("nothing was disabled: %w", unknown)
	default:
		if err := p.confirm(c, question(found, vaults, unknown != nil)); err != nil {
			return &runError{errors.Join(err, unknown)}
		}
	}
	failures := []error{unknown}
	for _, one := range found {
		if err := one.vault.Disable(c.Context, one.Key, one.Version.Version); err != nil {
			failures = append(failures, fmt.Errorf("vault %s: %s is not disabled, and may go on signing: %w", one.vault.Name(), one.Version, err))
			continue
		}
		if err := p.printf("disabled %s\n", one); err != nil {
			failures = append(failures, err)
		}
	}
	addresses, nameless := signersOf(found, name)
	failures = append(failures, nameless)
	if !common.IsHexAddress(name) && !everywhere(c, name) {
		failures = append(failures, leftIn(c.Context, vaults, addresses, found, cfg.Place))
	}
	others, missing := connectVaults(c.Context, cfg.Unchosen, log)
	defer others.close()
	failures = append(failures, unlooked(missing), leftIn(c.Context, others, addresses, nil, cfg.Place))
	if err := errors.Join(failures...); err != nil {
		return &runError{err} // also where a configuration is at fault: the rest was tried
	}
	return nil
}

// everywhere reports whether what is named stands for all that has its addresses: who
// chooses a vault, or a version, means that one.
func everywhere(c *cli.Context, name string) bool {
	return common.IsHexAddress(name) || !c.IsSet("vault") && !strings.Contains(name, "/")
}

// connectVaults opens vaults for a command that reads no more than it has to. An error
// tells of those that are not open.
func connectVaults(ctx context.Context, vaults []config.Vault, log *slog.Logger) (connected vaultSet, missing error) {
	warnOfOpenSecrets(ctx, vaults, log)
	var failures []error
	for _, vault := range vaults {
		one, err := keyvault.Connect(vaultConfig(vault, log))
		if err != nil {
			failures = append(failures, &usageError{err})
			continue
		}
		connected = append(connected, one)
	}
	return connected, errors.Join(failures...)
}

// unlooked tells what it means that vaults are not open.
func unlooked(missing error) error {
	if missing == nil {
		return nil
	}
	return fmt.Errorf("not looked at, and may go on signing: %w", missing)
}

// warnOfNamedKeys tells of vaults in which an address is not looked for among all keys.
func (p *program) warnOfNamedKeys(cfg *config.Config, name string) {
	for _, vault := range cfg.Vaults {
		if common.IsHexAddress(name) && len(vault.Keys) > 0 {
			p.sayf("kvclef: warning: %s is looked for among the keys of the configuration alone: --vault %s without --config looks at all of the vault", name, vault.URL)
		}
	}
}

func question(found []holding, vaults vaultSet, more bool) string {
	text := fmt.Sprintf("Disable %s in %s", counted(len(found), "version"), vaults)
	if more {
		text += ", and leave what is not known"
	}
	return text + "?"
}
