package clefdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// What the storages are sealed for: the purposes from which their keys are
// derived.
const (
	forConfig    = "config"
	forStorage   = "jsstorage"
	forPasswords = "credentials"
)

// attestedHash is the name under which Clef keeps the SHA-256 of the rule file.
const attestedHash = "ruleset_sha256"

// Vault is the folder of a master seed, in which Clef keeps what is sealed under
// it. Close it.
type Vault struct {
	root *os.Root // nil: Clef kept nothing yet
	path string
	seed *Seed
}

// Vault opens the folder of a seed. There is none before Clef ran with the seed for the
// first time, and nothing is in it then; but a directory that has the folders of
// other seeds alone is not that of this one.
func (d *Dir) Vault(seed *Seed) (*Vault, error) {
	name := seed.folder()
	v := &Vault{path: filepath.Join(d.Path(), name), seed: seed}
	info, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		others, err := d.others(name)
		if err == nil && len(others) > 0 {
			slices.Sort(others)
			err = fmt.Errorf("%s has no folder %s, which is that of this master seed, but those of others (%s): give the --configdir, or the --signersecret, that belong together",
				d.Path(), name, strings.Join(others[:min(len(others), 3)], ", "))
		}
		if err != nil {
			return nil, err
		}
		return v, nil
	}
	if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder, which Clef makes: see what it is", v.path)
	}
	if err == nil {
		err = checkFolder(v.path, info)
	}
	if err == nil {
		v.root, err = d.root.OpenRoot(name)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the folder %s: %w", v.path, cause(err))
	}
	return v, nil
}

// Path returns the folder.
func (v *Vault) Path() string { return v.path }

// Close closes the folder.
func (v *Vault) Close() error {
	if v.root == nil {
		return nil
	}
	return v.root.Close()
}

// Attested returns the SHA-256 of the rule file that may be used, as it was
// given to clef attest, which takes any text; "" if none was.
func (v *Vault) Attested() (string, error) {
	values, err := v.values(configFile, forConfig)
	return values[attestedHash], err
}

// Storage returns what the rule file keeps. It is whole, or an error.
func (v *Vault) Storage() (map[string]string, error) {
	return v.values(storageFile, forStorage)
}

// Accounts returns the accounts whose passwords Clef keeps. No password is
// opened.
func (v *Vault) Accounts() ([]common.Address, error) {
	entries, err := v.entries(passwordsFile)
	if err != nil {
		return nil, err
	}
	accounts := make([]common.Address, 0, len(entries))
	for name := range entries {
		if !common.IsHexAddress(name) {
			return nil, fmt.Errorf("%s has the password of %q, which is no address", filepath.Join(v.path, passwordsFile), clip(name))
		}
		accounts = append(accounts, common.HexToAddress(name))
	}
	slices.SortFunc(accounts, common.Address.Cmp)
	return accounts, nil
}

// Password returns the password of an account's keystore file, nil if Clef keeps
// none. Clear it when it is no longer needed.
func (v *Vault) Password(account common.Address) ([]byte, error) {
	entries, err := v.entries(passwordsFile)
	if err != nil {
		return nil, err
	}
	name := account.Hex()
	entry, ok := entries[name]
	if !ok {
		return nil, nil
	}
	key := v.seed.derive(forPasswords)
	defer clear(key)
	password, err := entry.open(key, name)
	if err != nil {
		return nil, fmt.Errorf("%s: the password of %s: %w", filepath.Join(v.path, passwordsFile), name, err)
	}
	return password, nil
}

// values opens all values of a storage.
func (v *Vault) values(file, purpose string) (map[string]string, error) {
	entries, err := v.entries(file)
	if err != nil {
		return nil, err
	}
	key := v.seed.derive(purpose)
	defer clear(key)
	values := make(map[string]string, len(entries))
	for name, entry := range entries {
		value, err := entry.open(key, name)
		if err != nil {
			return nil, fmt.Errorf("%s: the value of %q: %w", filepath.Join(v.path, file), clip(name), err)
		}
		values[name] = string(value)
	}
	return values, nil
}

// entries reads a storage. A file that is missing is one that Clef had nothing
// to put into.
func (v *Vault) entries(file string) (map[string]sealed, error) {
	if v.root == nil {
		return nil, nil
	}
	raw, err := readFile(v.root, file, maxStorageFile, ownersAlone)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	entries, err := decodeStorage(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is no storage of Clef: %w", filepath.Join(v.path, file), err)
	}
	return entries, nil
}
