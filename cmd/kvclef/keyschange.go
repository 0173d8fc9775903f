package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/clefdir"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

func hsmFlag() cli.Flag {
	return &cli.BoolFlag{Name: "hsm", Usage: "make the key in hardware; needs a Premium vault", DisableDefaultText: true}
}

func (p *program) keysCreateCommand() *cli.Command {
	return &cli.Command{
		Name:        "create",
		Usage:       "create a key in a vault",
		UsageText:   "kvclef keys create NAME [--vault VAULT] [--hsm] [--json]",
		Description: examples("in hardware", "kvclef keys create treasury --vault https://kv-prod.vault.azure.net --hsm"),
		Flags:       keysFlags(hsmFlag(), jsonFlag()),
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "NAME")
			if err == nil {
				err = namesKey(c, args[0])
			}
			if err != nil {
				return err
			}
			return p.withVault(c, false, func(vault *keyvault.Vault, cfg config.Vault) error {
				if err := nameIsFree(vault, args[0]); err != nil {
					return err
				}
				account, err := vault.Create(c.Context, args[0], cfg.HSM || c.Bool("hsm"))
				if err != nil {
					return err
				}
				return p.printNew(c, account)
			})
		}),
	}
}

func (p *program) keysImportCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "import a private key into a vault",
		UsageText: "kvclef keys import NAME FILE [--vault VAULT] [--hsm] [--yes] [--json]",
		Description: examples("64 hexadecimal digits in a file", "kvclef keys import treasury ./key.hex --vault https://kv-prod.vault.azure.net") +
			"\n\nA key that was ever outside the vault may have been copied. Prefer kvclef keys create.",
		Flags: keysFlags(hsmFlag(), yesFlag(), coreDumpsFlag(), jsonFlag()),
		Action: action(func(c *cli.Context) error {
			args, err := arguments(c, "NAME", "FILE")
			if err == nil {
				err = namesKey(c, args[0])
			}
			if err == nil {
				err = keepMemory(c)
			}
			if err != nil {
				return err
			}
			key, err := p.readKey(args[1])
			if err != nil {
				return err
			}
			defer clefdir.Wipe(key)
			return p.withVault(c, false, func(vault *keyvault.Vault, cfg config.Vault) error {
				if err := nameIsFree(vault, args[0]); err != nil {
					return err
				}
				p.sayf("kvclef: warning: this key has been outside the vault: whoever has a copy of it can sign, whatever the vault and kvclef say. Delete %s, and prefer keys create for keys that guard value", args[1])
				if err := p.confirm(c, fmt.Sprintf("Import it into vault %s as %s?", vault.Name(), args[0])); err != nil {
					return err
				}
				account, err := vault.Import(c.Context, args[0], key, cfg.HSM || c.Bool("hsm"))
				if err != nil {
					return err
				}
				return p.printNew(c, account)
			})
		}),
	}
}

// namesKey refuses a name that no vault lets a key have.
func namesKey(c *cli.Context, name string) error {
	if err := keyvault.CheckKeyName(name); err != nil {
		return usagef("%s: %w", commandName(c), err)
	}
	return nil
}

// nameIsFree refuses a name in use: the vault would make a new version, and
// with it another account, under the name of an old one.
func nameIsFree(vault *keyvault.Vault, name string) error {
	for _, account := range vault.Accounts() {
		if strings.EqualFold(account.Key, name) {
			return usagef("vault %s holds a key %s already (account %s): choose another name", vault.Name(), account.Key, account.Address.Hex())
		}
	}
	return nil
}

// confirm asks for a yes, unless --yes gave it.
func (p *program) confirm(c *cli.Context, question string) error {
	if c.Bool("yes") {
		return nil
	}
	_, _ = fmt.Fprintf(p.stderr, "%s [y/N] ", question)
	answer, err := bufio.NewReader(io.LimitReader(p.stdin, 64)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer == "" {
		p.sayf("")
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	default:
		return errors.New("not confirmed, so nothing was changed: answer y, or give --yes")
	}
}

// printNew prints the account of a new key.
func (p *program) printNew(c *cli.Context, account backend.Account) error {
	accounts := []backend.Account{account}
	if c.Bool("json") {
		return p.printJSON(keyInfos(accounts, true)[0])
	}
	return p.printDetails(accounts)
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
