package emulator

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// stateFile keeps the keys of all vaults in one JSON file.
type stateFile struct {
	path  string
	mu    sync.Mutex  // held from a change to its being durable
	known fs.FileInfo // of the file as this process last read or wrote it
}

// maxState bounds what is read: some 100,000 keys.
const maxState = 128 << 20

type savedState struct {
	Version int                   `json:"version"`
	Vaults  map[string]savedVault `json:"vaults"`
}

type savedVault struct {
	Keys    []savedKey `json:"keys"`
	Deleted []savedKey `json:"deleted,omitempty"`
}

type savedKey struct {
	Name      string          `json:"name"`
	Managed   bool            `json:"managed,omitempty"`
	Policy    *rotationPolicy `json:"rotation_policy,omitempty"`
	DeletedAt time.Time       `json:"deleted_at,omitzero"`
	PurgeAt   time.Time       `json:"purge_at,omitzero"`
	Versions  []savedVersion  `json:"versions"`
}

type savedVersion struct {
	ID      string            `json:"id"`
	Curve   string            `json:"curve,omitempty"`
	D       string            `json:"d,omitempty"`     // the private scalar, base64url
	PKCS1   []byte            `json:"pkcs1,omitempty"` // an RSA private key
	HSM     bool              `json:"hsm,omitempty"`
	KeyOps  []string          `json:"key_ops"`
	Tags    map[string]string `json:"tags,omitempty"`
	Enabled bool              `json:"enabled"`
	NBF     *int64            `json:"nbf,omitempty"`
	EXP     *int64            `json:"exp,omitempty"`
	Created int64             `json:"created"`
	Updated int64             `json:"updated"`
}

// openState loads the file into the vaults, or writes an empty one. A file that
// others may read is refused: it holds private keys.
func openState(path string, vaults map[string]*vault) (*stateFile, error) {
	f := &stateFile{path: path}
	saved, known, err := readState(path)
	f.known = known
	if errors.Is(err, fs.ErrNotExist) {
		if err := f.write(savedState{Version: 1, Vaults: map[string]savedVault{}}); err != nil {
			return nil, err
		}
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	for name, sv := range saved.Vaults {
		v := vaults[name]
		if v == nil {
			return nil, fmt.Errorf("state file %s has keys of vault %q, which is not among the vaults: add the vault or use another file", path, name)
		}
		if err := v.load(sv); err != nil {
			return nil, fmt.Errorf("reading state file %s: vault %q: %w", path, name, err)
		}
	}
	return f, nil
}

func readState(path string) (saved savedState, info fs.FileInfo, err error) {
	f, err := os.Open(path)
	if err != nil {
		return saved, nil, fmt.Errorf("opening state file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err = f.Stat()
	switch {
	case err != nil:
		return saved, nil, fmt.Errorf("reading state file: %w", err)
	case !info.Mode().IsRegular():
		return saved, nil, fmt.Errorf("state file %s is not a regular file: use another path", path)
	case info.Mode().Perm()&0o077 != 0:
		return saved, nil, fmt.Errorf("state file %s has mode %04o and holds private keys: chmod 600 it", path, info.Mode().Perm())
	case info.Size() > maxState:
		return saved, nil, fmt.Errorf("state file %s has %d bytes, more than %d: use another file", path, info.Size(), maxState)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return saved, nil, fmt.Errorf("reading state file: %w", err)
	}
	if err := json.Unmarshal(b, &saved); err != nil {
		return saved, nil, fmt.Errorf("reading state file %s: %w", path, err)
	}
	if saved.Version != 1 {
		return saved, nil, fmt.Errorf("state file %s has version %d: this program reads version 1", path, saved.Version)
	}
	return saved, info, nil
}

func (v *vault) load(sv savedVault) error {
	for _, sk := range slices.Concat(sv.Keys, sv.Deleted) {
		if !keyName.MatchString(sk.Name) || len(sk.Versions) == 0 {
			return fmt.Errorf("key %q is not valid", bounded(sk.Name))
		}
		if v.keys[lower(sk.Name)] != nil || v.deleted[lower(sk.Name)] != nil {
			return fmt.Errorf("key %q is there twice", sk.Name)
		}
		k := &key{name: sk.Name, managed: sk.Managed, policy: sk.Policy, deletedAt: sk.DeletedAt, purgeAt: sk.PurgeAt}
		for _, s := range sk.Versions {
			ver, err := s.version()
			if err != nil {
				return fmt.Errorf("key %q: %w", sk.Name, err)
			}
			k.versions = append(k.versions, ver)
		}
		if sk.DeletedAt.IsZero() {
			v.insert(k)
		} else {
			v.deleted[lower(k.name)] = k
		}
	}
	return nil
}

func (s savedVersion) version() (*version, error) {
	if !keyVersion.MatchString(s.ID) {
		return nil, fmt.Errorf("version %q is not valid", bounded(s.ID))
	}
	v := &version{
		id: s.ID, hsm: s.HSM, ops: s.KeyOps, tags: s.Tags, enabled: s.Enabled,
		nbf: s.NBF, exp: s.EXP, created: s.Created, updated: s.Updated,
	}
	if s.Curve == "" {
		key, err := x509.ParsePKCS1PrivateKey(s.PKCS1)
		if err != nil {
			return nil, fmt.Errorf("version %s: the RSA key is not valid", s.ID)
		}
		v.material = rsaMaterial(key)
		return v, nil
	}
	d, err := decode(s.D)
	if err != nil {
		return nil, fmt.Errorf("version %s: d is not base64url", s.ID)
	}
	if v.material, err = ecFromScalar(s.Curve, d); err != nil {
		return nil, fmt.Errorf("version %s: %w", s.ID, err)
	}
	return v, nil
}

// save makes the vaults' keys durable. The caller holds f.mu.
func (f *stateFile) save(vaults []*vault) error {
	state := savedState{Version: 1, Vaults: map[string]savedVault{}}
	for _, v := range vaults {
		sv, err := v.saved()
		if err != nil {
			return err
		}
		state.Vaults[v.name] = sv
	}
	return f.write(state)
}

func (v *vault) saved() (savedVault, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var sv savedVault
	for _, name := range v.names {
		sk, err := v.keys[name].saved()
		if err != nil {
			return sv, err
		}
		sv.Keys = append(sv.Keys, sk)
	}
	for _, k := range v.deleted {
		sk, err := k.saved()
		if err != nil {
			return sv, err
		}
		sv.Deleted = append(sv.Deleted, sk)
	}
	return sv, nil
}

func (k *key) saved() (savedKey, error) {
	sk := savedKey{Name: k.name, Managed: k.managed, Policy: k.policy, DeletedAt: k.deletedAt, PurgeAt: k.purgeAt}
	for _, v := range k.versions {
		s := savedVersion{
			ID: v.id, Curve: v.material.curve, HSM: v.hsm, KeyOps: v.ops, Tags: v.tags, Enabled: v.enabled,
			NBF: v.nbf, EXP: v.exp, Created: v.created, Updated: v.updated,
		}
		if v.material.rsa != nil {
			s.PKCS1 = x509.MarshalPKCS1PrivateKey(v.material.rsa)
		} else {
			d, err := v.material.scalar()
			if err != nil {
				return sk, err
			}
			s.D = encode(d)
		}
		sk.Versions = append(sk.Versions, s)
	}
	return sk, nil
}
