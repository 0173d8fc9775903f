package clefdir

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/ethereum/go-ethereum/crypto"
)

// Bounds of a master seed, in bytes. Clef makes 256.
const (
	maxSeedFile = 64 << 10
	minSeed     = 256
	maxSeed     = 4 << 10
)

// seedVersion is the only form of a master seed that there is.
const seedVersion = 1

// lockedSeed is the file of a master seed.
type lockedSeed struct {
	Version int    `json:"version"`
	Params  locked `json:"params"`
}

// Seed opens the master seed with its password. The file is masterseed.json in
// the directory unless another is named, as Clef's --signersecret does. The error is [ErrPassword]
// if the password does not open it. Trying takes about a second.
func (d *Dir) Seed(file string, password []byte) (*Seed, error) {
	path := file
	var raw []byte
	var err error
	if file == "" {
		path = filepath.Join(d.Path(), seedFile)
		raw, err = readFile(d.root, seedFile, maxSeedFile, ownersAlone)
	} else {
		raw, err = readPath(file, maxSeedFile, ownersAlone)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && file == "":
		return nil, fmt.Errorf("%s is missing, so %s is no configuration directory in which clef init was run: give Clef's --configdir, or --signersecret if the seed is elsewhere", path, d.Path())
	case err != nil:
		return nil, err
	}
	sealed, err := decodeSeed(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is no master seed of Clef: %w", path, err)
	}
	seed, err := sealed.Params.open(password)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if len(seed) < minSeed {
		defer clear(seed)
		return nil, fmt.Errorf("the master seed in %s has %d bytes, and Clef takes %d at least: it is another file", path, len(seed), minSeed)
	}
	return &Seed{secret: seed}, nil
}

func decodeSeed(raw []byte) (*lockedSeed, error) {
	var sealed lockedSeed
	if err := decode(raw, &sealed); err != nil {
		return nil, err
	}
	if sealed.Version != seedVersion {
		return nil, fmt.Errorf("its version is %d, not %d", sealed.Version, seedVersion)
	}
	return &sealed, sealed.Params.check(maxSeed)
}

// Seed is a master seed, from which the name of a folder and the keys of what is
// in it are derived. Clear it when it is no longer needed.
type Seed struct {
	secret []byte
}

// Clear overwrites the seed. What the decryption had of it is not within reach.
func (s *Seed) Clear() { clear(s.secret) }

// folder is the name of the folder of the seed.
func (s *Seed) folder() string {
	return hex.EncodeToString(s.derive("vault")[:vaultNameBytes])
}

// derive returns 32 bytes for a purpose.
func (s *Seed) derive(purpose string) []byte {
	return crypto.Keccak256([]byte(purpose), s.secret)
}
