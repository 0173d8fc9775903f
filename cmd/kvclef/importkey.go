package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/clefdir"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

func (p *program) importKeyCommand() *cli.Command {
	return &cli.Command{
		Name:      "key",
		Usage:     "import the key of a keystore file into a vault",
		UsageText: "kvclef import key --keystore FILE --name NAME [--vault VAULT] [--hsm] [--configdir DIR] [--yes-address ADDRESS] [--json]",
		Description: examples(
			"the password is asked, then the address", "kvclef import key --keystore keystore/UTC--2024-01-02T03-04-05Z--71562b71999873db5b286df957af199ec94617f7 --name treasury --vault https://kv-prod.vault.azure.net",
			"with the password that clef setpw keeps", "kvclef import key --keystore keystore/UTC--… --name treasury --configdir ~/.clef --vault https://kv-prod.vault.azure.net",
		) + "\n\nOne key at a time, and each is confirmed by its address. A name that is in use is refused. The key in" +
			"\nthe vault signs once, so that it is known to be that of the address." +
			"\n\nA key that was ever on a disk stays as exposed as it was: whoever has a copy of the file, and the" +
			"\npassword, can sign. Prefer kvclef keys create, and move what the account holds.",
		Flags: keysFlags(
			&cli.StringFlag{Name: "keystore", Usage: "keystore `FILE` of the account"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the key in the vault"},
			hsmFlag(),
			&cli.StringFlag{Name: "configdir", Usage: "Clef's configuration `FOLDER`: the account's password is taken from it, and the password that is asked for is the master seed's"},
			&cli.StringFlag{Name: "signersecret", Usage: "`FILE` of the master seed", DefaultText: "masterseed.json in --configdir"},
			passwordFlag(),
			&cli.StringFlag{Name: "yes-address", Usage: "`ADDRESS` of the account, for scripts: don't ask for it"},
			coreDumpsFlag(), jsonFlag(),
		),
		Action: action(p.importKey),
	}
}

func (p *program) importKey(c *cli.Context) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	for _, name := range []string{"keystore", "name"} {
		if c.String(name) == "" {
			return usagef("import key: --%s is missing; usage: %s", name, c.Command.UsageText)
		}
	}
	if err := namesKey(c, c.String("name")); err != nil {
		return err
	}
	if c.IsSet("signersecret") && !c.IsSet("configdir") {
		return usagef("--signersecret goes with --configdir: the keystore file is opened with its own password otherwise")
	}
	wanted, err := wantedAddress(c.String("yes-address"))
	if err != nil {
		return err
	}
	if err := keepMemory(c); err != nil {
		return err
	}
	sealed, err := clefdir.ReadKey(c.String("keystore"))
	if err != nil {
		return &usageError{err}
	}
	return p.withVault(c, true, func(vault *keyvault.Vault, cfg config.Vault) error {
		if err := nameIsFree(vault, c.String("name")); err != nil {
			return err
		}
		key, err := p.openKey(c, sealed)
		if err != nil {
			return err
		}
		defer clefdir.Wipe(key)
		address := crypto.PubkeyToAddress(key.PublicKey)
		if err := holdsNone(vault, address); err != nil {
			return err
		}
		if err := p.confirmAddress(sealed.Path, vault.Name(), c.String("name"), address, wanted); err != nil {
			return err
		}
		account, err := vault.Import(c.Context, c.String("name"), key, cfg.HSM || c.Bool("hsm"))
		if err != nil {
			return err
		}
		if err := proveKey(c.Context, vault, account, address); err != nil {
			return err
		}
		return p.printNew(c, account)
	})
}

// openKey opens a keystore file with its own password, or with that which Clef
// keeps of it.
func (p *program) openKey(c *cli.Context, sealed *clefdir.Key) (*ecdsa.PrivateKey, error) {
	password, err := p.keyPassword(c, sealed)
	if err != nil {
		return nil, err
	}
	defer clear(password)
	key, err := sealed.Open(password)
	switch {
	case errors.Is(err, clefdir.ErrPassword) && c.IsSet("configdir"):
		return nil, usagef("%w; it is the password that Clef keeps: leave --configdir away to give another", err)
	case err != nil:
		return nil, &usageError{err}
	}
	return key, nil
}

func (p *program) keyPassword(c *cli.Context, sealed *clefdir.Key) (password []byte, err error) {
	if !c.IsSet("configdir") {
		return p.password(c.Context, c.String("password-file"), "Password of "+sealed.Path)
	}
	if sealed.Claimed == (common.Address{}) {
		return nil, usagef("%s does not say its address, by which Clef keeps passwords: leave --configdir away and give the password", sealed.Path)
	}
	err = p.withClefVault(c, func(_ *clefdir.Dir, vault *clefdir.Vault) error {
		password, err = vault.Password(sealed.Claimed)
		if err == nil && password == nil {
			err = usagef("%s has no password of %v: leave --configdir away and give the password", vault.Path(), sealed.Claimed)
		}
		return err
	})
	return password, err
}

// withClefVault opens Clef's configuration directory and the folder of its
// master seed, and forgets the seed afterwards.
func (p *program) withClefVault(c *cli.Context, do func(*clefdir.Dir, *clefdir.Vault) error) (err error) {
	path, err := expandHome(c.String("configdir"), "configdir")
	if err != nil {
		return err
	}
	dir, err := clefdir.Open(path)
	if err != nil {
		return &usageError{err}
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	password, err := p.password(c.Context, c.String("password-file"), "Password of Clef's master seed")
	if err != nil {
		return err
	}
	seed, err := dir.Seed(c.String("signersecret"), password)
	clear(password)
	if err != nil {
		return &usageError{err}
	}
	defer seed.Clear()
	vault, err := dir.Vault(seed)
	if err != nil {
		return &usageError{err}
	}
	defer func() { err = errors.Join(err, vault.Close()) }()
	return do(dir, vault)
}

// holdsNone refuses a key that the vault has under another name: both would be
// one account.
func holdsNone(vault *keyvault.Vault, address common.Address) error {
	for _, account := range vault.Accounts() {
		if account.Address == address {
			return usagef("vault %s holds the key of %v already, as %s/%s: nothing is left to import", vault.Name(), address, account.Key, account.Version)
		}
	}
	return nil
}

// wantedAddress reads the address of --yes-address.
func wantedAddress(text string) (*common.Address, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no address: it is asked
	}
	address, err := exactAddress(text)
	if err != nil {
		return nil, usagef("--yes-address: %w", err)
	}
	return &address, nil
}

// exactAddress reads an address with 0x whose checksum is right, if it has one.
func exactAddress(text string) (common.Address, error) {
	if !strings.HasPrefix(text, "0x") || !common.IsHexAddress(text) {
		return common.Address{}, fmt.Errorf("%q is no address, which has 0x and 40 hexadecimal digits", text)
	}
	address := common.HexToAddress(text)
	digits := text[2:]
	if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && text != address.Hex() {
		return common.Address{}, fmt.Errorf("the checksum of %q is wrong: look at its digits again", text)
	}
	return address, nil
}

// confirmAddress has the operator type the address, unless a script gave it.
func (p *program) confirmAddress(file, vault, name string, address common.Address, wanted *common.Address) error {
	if wanted != nil {
		if *wanted != address {
			return usagef("%s is the key of %v, not of %v: nothing was imported", file, address, *wanted)
		}
		return nil
	}
	p.sayf("kvclef: warning: this key was on a disk: whoever has a copy of %s and its password can sign, whatever the vault and kvclef say", file)
	_, _ = fmt.Fprintf(p.stderr, "%s is the key of %v.\nTo import it into vault %s as %s, type its address: ", file, address, vault, name)
	answer, err := bufio.NewReader(io.LimitReader(p.stdin, 128)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the address: %w", err)
	}
	if answer == "" {
		p.sayf("")
	}
	if typed, err := exactAddress(strings.TrimSpace(answer)); err != nil || typed != address {
		return fmt.Errorf("that is not %v, so nothing was imported: type the address, or give --yes-address", address)
	}
	return nil
}

// proveKey has the vault sign with a new key, and recovers the signer. What is
// signed is the hash of a text that no request begins with.
func proveKey(ctx context.Context, vault *keyvault.Vault, account backend.Account, address common.Address) error {
	digest := crypto.Keccak256Hash([]byte("kvclef import proof 1\n"), address[:])
	signed, err := vault.Sign(ctx, account, digest)
	if err == nil {
		var public *ecdsa.PublicKey
		public, err = crypto.SigToPub(digest[:], signed.Signature[:])
		if err == nil && crypto.PubkeyToAddress(*public) != address {
			err = fmt.Errorf("its signature is of %v", crypto.PubkeyToAddress(*public))
		}
	}
	if err != nil {
		return fmt.Errorf("the key is in vault %s as %s/%s, but did not sign for %v: don't use it, run kvclef keys disable %s: %w",
			vault.Name(), account.Key, account.Version, address, account.Key, err)
	}
	return nil
}
