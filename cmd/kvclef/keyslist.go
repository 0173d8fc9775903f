package main

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ethereum/go-ethereum/common"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/keyvault"
)

func (p *program) keysListCommand() *cli.Command {
	return &cli.Command{
		Name:        "list",
		Usage:       "list the accounts of the vaults",
		UsageText:   "kvclef keys list [--vault VAULT] [--json]",
		Description: examples("as a table", "kvclef keys list --config kvclef.yaml", "for a script", "kvclef keys list --json | jq -r '.[].address'"),
		Flags:       keysFlags(jsonFlag()),
		Action: action(func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			return p.withVaults(c, func(vaults vaultSet) error {
				if c.Bool("json") {
					return p.printJSON(keyInfos(vaults.accounts(), false))
				}
				return p.printAccounts(vaults.accounts())
			})
		}),
	}
}

func (p *program) keysShowCommand() *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show an account by its address or by its key's name",
		UsageText:   "kvclef keys show ADDRESS|NAME[/VERSION] [--vault VAULT] [--json]",
		Description: examples("which key signs for an address", "kvclef keys show 0x71562b71999873DB5b286dF957af199Ec94617F7 --config kvclef.yaml"),
		Flags:       keysFlags(jsonFlag()),
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "ADDRESS|NAME")
			if err == nil {
				err = namesAccount(c, args[0])
			}
			if err != nil {
				return err
			}
			return p.withVaults(c, func(vaults vaultSet) error {
				found := slices.DeleteFunc(vaults.accounts(), func(a backend.Account) bool { return !answersTo(a, args[0]) })
				switch {
				case len(found) == 0:
					return fmt.Errorf("no account or key %q in the vaults; see kvclef keys list", args[0])
				case c.Bool("json"):
					return p.printJSON(keyInfos(found, true))
				default:
					return p.printDetails(found)
				}
			})
		}),
	}
}

// namesAccount refuses a text that no account answers to, whatever the vaults hold.
func namesAccount(c *cli.Context, text string) error {
	if common.IsHexAddress(text) {
		return nil
	}
	if err := keyvault.CheckKey(text); err != nil {
		return usagef("%s: %w", commandName(c), err)
	}
	return nil
}

// answersTo reports whether a text names an account: its address, its key, or
// its key's version.
func answersTo(a backend.Account, text string) bool {
	if common.IsHexAddress(text) {
		return a.Address == common.HexToAddress(text)
	}
	name, version, hasVersion := strings.Cut(text, "/")
	return strings.EqualFold(a.Key, name) && (!hasVersion || strings.EqualFold(a.Version, version))
}

func keyInfos(accounts []backend.Account, details bool) []keyInfo {
	infos := make([]keyInfo, 0, len(accounts))
	for _, a := range accounts {
		info := keyInfo{Address: a.Address.Hex(), Vault: a.Vault, Key: a.Key, Version: a.Version}
		if details {
			info.PublicKey, info.Tags = "0x"+hex.EncodeToString(a.PublicKey[:]), a.Tags
		}
		infos = append(infos, info)
	}
	return infos
}

// printAccounts prints a table.
func (p *program) printAccounts(accounts []backend.Account) error {
	if len(accounts) == 0 {
		p.sayf("kvclef: the vaults hold no key that can be an account: create one with kvclef keys create NAME")
		return nil
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ADDRESS\tVAULT\tKEY\tVERSION") // an error stays in table and comes with Flush
	for _, a := range accounts {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", a.Address.Hex(), a.Vault, a.Key, a.Version)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing to the standard output: %w", err)
	}
	return nil
}

// printDetails prints what is known of each account.
func (p *program) printDetails(accounts []backend.Account) error {
	var b strings.Builder
	for i, a := range accounts {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Address     %s\nVault       %s\nKey         %s\nVersion     %s\nPublic key  0x%x\n", a.Address.Hex(), a.Vault, a.Key, a.Version, a.PublicKey)
		for _, tag := range slices.Sorted(maps.Keys(a.Tags)) {
			fmt.Fprintf(&b, "Tag         %s = %s\n", tag, a.Tags[tag])
		}
	}
	return p.printf("%s", b.String())
}
