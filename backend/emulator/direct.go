package emulator

import (
	"crypto/ecdsa"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
)

// KeyOptions describes a key that CreateKeyWith makes. The zero value is an
// enabled P-256K key with the default operations.
type KeyOptions struct {
	Curve     string            // "P-256K" (also ""), "SECP256K1", "P-256", "P-384", "P-521"; "RSA" for an RSA key of 2048 bits
	Private   *ecdsa.PrivateKey // imports this secp256k1 key instead of making one
	HSM       bool              // a hardware key in a Key Vault
	Disabled  bool
	NotBefore time.Time // zero: none; to the second
	Expires   time.Time
	KeyOps    []string // nil: the service's default
	Tags      map[string]string
	Managed   bool // the key of a certificate
}

// CreateKey makes a P-256K key, or a new version of one.
func (s *Server) CreateKey(vault, name string) (Key, error) {
	return s.CreateKeyWith(vault, name, KeyOptions{})
}

// ImportKey puts a secp256k1 key into the vault as a P-256K key.
func (s *Server) ImportKey(vault, name string, key *ecdsa.PrivateKey) (Key, error) {
	return s.CreateKeyWith(vault, name, KeyOptions{Private: key})
}

// CreateKeyWith makes a key, or a new version of one, as the options say.
func (s *Server) CreateKeyWith(vault, name string, o KeyOptions) (Key, error) {
	v := s.byName[lower(vault)]
	if v == nil {
		return Key{}, fmt.Errorf("creating key %q: the emulator has no vault %q", name, vault)
	}
	if !keyName.MatchString(name) {
		return Key{}, fmt.Errorf("creating key %q: use 1 to 127 letters, digits and hyphens", name)
	}
	m, err := o.material()
	if err != nil {
		return Key{}, fmt.Errorf("creating key %q: %w", name, err)
	}
	ver := newVersion(m, o.HSM, v.flavor)
	enabled := !o.Disabled
	a := requestAttributes{Enabled: &enabled, NotBefore: unix(o.NotBefore), Expires: unix(o.Expires)}
	if err := ver.set(o.KeyOps, a, o.Tags); err != nil {
		return Key{}, fmt.Errorf("creating key %q: %w", name, err)
	}
	err = s.change(v, func() error {
		_, err := v.add(name, ver, o.Managed)
		return err
	})
	if err != nil {
		return Key{}, fmt.Errorf("creating key %q: %w", name, err)
	}
	k := Key{ID: s.VaultURL(vault) + "/keys/" + name + "/" + ver.id, Name: name, Version: ver.id}
	if m.ec != nil {
		k.Public = &m.ec.PublicKey
	}
	return k, nil
}

func (o KeyOptions) material() (*material, error) {
	curve := o.Curve
	if curve == "" {
		curve = curveP256K
	}
	switch {
	case o.Private != nil:
		if !isSecp256k1(curve) {
			return nil, fmt.Errorf("a private key can be given for P-256K and SECP256K1, not for %s", curve)
		}
		if o.Private.Curve != crypto.S256() {
			return nil, fmt.Errorf("the private key is not on secp256k1")
		}
		return ecFromScalar(curve, crypto.FromECDSA(o.Private))
	case curve == "RSA":
		return generateRSA(2048)
	}
	return generateEC(curve)
}

// unix is the time in seconds, nil for the zero time.
func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	seconds := t.Unix()
	return &seconds
}
