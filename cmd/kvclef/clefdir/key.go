package clefdir

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Bounds of a keystore file, in bytes.
const (
	maxKeyFile = 64 << 10
	keyBytes   = 32
)

// Key is an account's keystore file, not opened.
type Key struct {
	Path string

	// Claimed is the address that the file says is its own, the zero address if
	// it says none. Only the opened key proves it.
	Claimed common.Address

	sealed locked
}

// lockedKey is a keystore file. Other programs add members of their own.
type lockedKey struct {
	Address string          `json:"address"`
	Crypto  *locked         `json:"crypto"`
	Version json.RawMessage `json:"version"`
}

// ReadKey reads a keystore file, which others must not be able to read.
func ReadKey(path string) (*Key, error) {
	raw, err := readPath(path, maxKeyFile, ownersAlone)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s: kvclef import clef --keystore FOLDER lists the files of a keystore", path)
	case err != nil:
		return nil, err
	}
	key, err := decodeKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is no keystore file: %w", path, err)
	}
	key.Path = path
	return key, nil
}

func decodeKey(raw []byte) (*Key, error) {
	var file lockedKey
	if err := decode(raw, &file); err != nil {
		return nil, err
	}
	if file.Crypto == nil {
		return nil, errors.New(`it has no member "crypto"`)
	}
	if version := string(file.Version); version != "3" {
		return nil, fmt.Errorf("its version is %s, not 3: geth account update writes it anew", clip(version))
	}
	key := &Key{sealed: *file.Crypto}
	if file.Address != "" {
		if !common.IsHexAddress(file.Address) {
			return nil, fmt.Errorf("its address %q is none", clip(file.Address))
		}
		key.Claimed = common.HexToAddress(file.Address)
	}
	return key, key.sealed.check(keyBytes)
}

// Open decrypts the private key. The error is [ErrPassword] if the password does
// not open it. Clear the key by [Wipe].
func (k *Key) Open(password []byte) (*ecdsa.PrivateKey, error) {
	raw, err := k.sealed.open(password)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", k.Path, err)
	}
	defer clear(raw)
	key, err := crypto.ToECDSA(raw)
	if err != nil {
		return nil, fmt.Errorf("%s holds no secp256k1 key", k.Path)
	}
	address := crypto.PubkeyToAddress(key.PublicKey)
	if k.Claimed != (common.Address{}) && address != k.Claimed {
		Wipe(key)
		return nil, fmt.Errorf("%s says that it is the key of %v, and is that of %v: somebody changed it", k.Path, k.Claimed, address)
	}
	return key, nil
}

// Wipe overwrites a private key. What libraries copied of it is not within reach.
func Wipe(key *ecdsa.PrivateKey) {
	if key != nil && key.D != nil {
		clear(key.D.Bits())
		key.D.SetInt64(0)
	}
}

// KeyFile is a file of a keystore folder.
type KeyFile struct {
	Name    string
	Address common.Address // that it says is its own
	Problem string         // why it is not taken for a key; "" if it is
}

// KeyFiles lists a keystore folder by name, as geth sees it: what is hidden, a
// backup of an editor, or a folder is none of it.
func KeyFiles(path string) (files []KeyFile, err error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the keystore %s: %w", path, cause(err))
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	err = eachName(root, func(entry fs.DirEntry) {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
			return
		}
		file := KeyFile{Name: name}
		raw, err := readFile(root, name, maxKeyFile, ownersAlone)
		if err == nil {
			var key *Key
			if key, err = decodeKey(raw); err == nil {
				file.Address = key.Claimed
			}
		}
		if err != nil {
			file.Problem = err.Error()
		}
		files = append(files, file)
	})
	slices.SortFunc(files, func(a, b KeyFile) int { return strings.Compare(a.Name, b.Name) })
	return files, err
}
