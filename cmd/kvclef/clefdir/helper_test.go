package clefdir

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/storage"
)

const (
	account  = "0x71562b71999873DB5b286dF957af199Ec94617F7"
	password = "correct horse"
)

var testSeed = bytes.Repeat([]byte("seed of the tests"), 16)

// made is a configuration directory that go-ethereum's own code wrote.
type made struct{ path, vault string }

// makeDir writes one, with a seed that costs nothing to open.
func makeDir(t *testing.T, values map[string]string) made {
	t.Helper()
	d := made{path: t.TempDir()}
	must(t, os.Chmod(d.path, 0o700))
	writeSeed(t, filepath.Join(d.path, seedFile), testSeed)
	d.vault = filepath.Join(d.path, hex.EncodeToString(crypto.Keccak256([]byte("vault"), testSeed)[:10]))
	must(t, os.Mkdir(d.vault, 0o700))
	d.put("config", configFile, map[string]string{attestedHash: "ab"})
	d.put("jsstorage", storageFile, values)
	d.put("credentials", passwordsFile, map[string]string{account: "secret of the account"})
	return d
}

func (d made) put(purpose, file string, values map[string]string) {
	s := storage.NewAESEncryptedStorage(filepath.Join(d.vault, file), crypto.Keccak256([]byte(purpose), testSeed))
	for name, value := range values {
		s.Put(name, value)
	}
}

func writeSeed(t *testing.T, path string, seed []byte) {
	t.Helper()
	sealed, err := keystore.EncryptDataV3(seed, []byte(password), 2, 1)
	must(t, err)
	raw, err := json.Marshal(map[string]any{"description": "Clef seed", "version": 1, "params": sealed})
	must(t, err)
	must(t, os.WriteFile(path, raw, 0o400))
}

// read opens everything, and returns the first error.
func (d made) read(seedPath string) (read map[string]string, err error) {
	dir, err := Open(d.path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	seed, err := dir.Seed(seedPath, []byte(password))
	if err != nil {
		return nil, err
	}
	defer seed.Clear()
	vault, err := dir.Vault(seed)
	if err != nil {
		return nil, err
	}
	defer vault.Close()
	if _, err := vault.Attested(); err != nil {
		return nil, err
	}
	if _, err := vault.Accounts(); err != nil {
		return nil, err
	}
	return vault.Storage()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
