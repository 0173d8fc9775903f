package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

func (p *program) keysCommand() *cli.Command {
	return &cli.Command{
		Name:      "keys",
		Usage:     "list, show, create, import and disable keys",
		UsageText: "kvclef keys COMMAND [arguments] [flags]",
		Description: examples(
			"the accounts of a vault", "kvclef keys list --vault https://kv-prod.vault.azure.net",
			"a new key", "kvclef keys create treasury --config kvclef.yaml --vault kv-prod",
		),
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			p.keysListCommand(), p.keysShowCommand(), p.keysCreateCommand(), p.keysImportCommand(), p.keysDisableCommand(),
		},
		Action: action(func(*cli.Context) error {
			return usagef("keys needs a command: list, show, create, import or disable; see kvclef keys --help")
		}),
	}
}

// keysFlags are those of every command on keys.
func keysFlags(more ...cli.Flag) []cli.Flag {
	return slices.Concat(generalFlags(), vaultFlags(), more)
}

func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Usage: "don't ask", DisableDefaultText: true}
}

// arguments returns the arguments of a command, which must be those named.
func arguments(c *cli.Context, names ...string) ([]string, error) {
	switch given := c.Args().Slice(); {
	case len(given) < len(names):
		return nil, usagef("%s: %s is missing; usage: %s", commandName(c), names[len(given)], c.Command.UsageText)
	case len(given) > len(names):
		return nil, usagef("%s: %q is one argument too many; usage: %s", commandName(c), given[len(names)], c.Command.UsageText)
	default:
		return given, nil
	}
}

// commandName returns the words of a command, such as "keys list".
func commandName(c *cli.Context) string { return strings.TrimPrefix(c.Command.HelpName, "kvclef ") }

// toolSettings returns the configuration of a command that ends by itself:
// it prints what it found and what failed, so that a log would say it twice. With an
// error comes what could be read, nil for nothing.
func toolSettings(c *cli.Context) (*config.Config, error) {
	cfg, err := settings(c)
	if cfg == nil {
		return nil, err
	}
	if !c.IsSet("loglevel") {
		cfg.Log.Level = "error"
	}
	if misread := (*config.MisreadError)(nil); errors.As(err, &misread) {
		return cfg, err // the vaults may be what was not read
	}
	return cfg, errors.Join(err, needVaults(c, cfg))
}

// withVaults opens the vaults for a command on all of them, with all versions of
// their keys.
func (p *program) withVaults(c *cli.Context, do func(vaultSet) error) error {
	cfg, err := toolSettings(c)
	if err != nil {
		return err
	}
	return p.withOpened(c, cfg, true, do)
}

// withVault opens the vault for a command on one; complete is with all versions of
// its keys.
func (p *program) withVault(c *cli.Context, complete bool, do func(*keyvault.Vault, config.Vault) error) error {
	cfg, err := oneVault(c)
	if err != nil {
		return err
	}
	return p.withOpened(c, cfg, complete, func(vaults vaultSet) error { return do(vaults[0], cfg.Vaults[0]) })
}

// withOpened opens the vaults of a configuration. A command that needs all there is
// to know says what could not be read.
func (p *program) withOpened(c *cli.Context, cfg *config.Config, complete bool, do func(vaultSet) error) error {
	vaults, err := openTools(c.Context, cfg.Vaults, newLogger(p.stderr, cfg.Log), complete)
	if err != nil {
		return err
	}
	defer vaults.close()
	for _, vault := range vaults {
		if unread := unreadKeys(vault); complete && unread != "" {
			p.sayf("kvclef: warning: accounts of vault %s may be missing: %s", vault.Name(), unread)
		}
	}
	return do(vaults)
}

// unreadKeys tells of the keys of a vault that could not be read, "" if there are
// none.
func unreadKeys(vault *keyvault.Vault) string {
	unread := vault.Unread()
	if len(unread) == 0 {
		return ""
	}
	keys := make(map[string]bool)
	for _, skipped := range unread {
		keys[skipped.Key] = true
	}
	text := fmt.Sprintf("key %s %s", unread[0].Key, unread[0].Reason)
	if len(keys) > 1 {
		text += ", and " + counted(len(keys)-1, "other key")
	}
	return text + "; see kvclef check"
}

// oneVault returns the settings of a command on one vault.
func oneVault(c *cli.Context) (*config.Config, error) {
	cfg, err := toolSettings(c)
	if err != nil {
		return nil, err
	}
	if len(cfg.Vaults) > 1 {
		var names []string
		for _, vault := range cfg.Vaults {
			names = append(names, vault.Name)
		}
		return nil, usagef("%s works on one vault: choose by --vault among %s", commandName(c), strings.Join(names, ", "))
	}
	return cfg, nil
}

// keyInfo is a key as the commands print it.
type keyInfo struct {
	Address   string            `json:"address"`
	Vault     string            `json:"vault"`
	Key       string            `json:"key"`
	Version   string            `json:"version"`
	PublicKey string            `json:"public_key,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
}

// accountsOf returns the accounts of all vaults, in their order. An address that
// two vaults hold is listed twice.
func (s vaultSet) accounts() []backend.Account {
	var accounts []backend.Account
	for _, vault := range s {
		accounts = append(accounts, vault.Accounts()...)
	}
	return accounts
}
