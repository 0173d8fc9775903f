package keyvault

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
)

// Create makes a new P-256K key that can sign and verify, in hardware if hsm
// is set (which a Managed HSM does anyway), and returns its account. A name
// that is in use is refused: the key would get a new version, and the name a
// new address.
func (v *Vault) Create(ctx context.Context, name string, hsm bool) (backend.Account, error) {
	id, err := v.unused(ctx, name)
	if err != nil {
		return backend.Account{}, err
	}
	bundle, err := call(ctx, v, v.writing("create", "create", id), func(ctx context.Context, client *azkeys.Client) (azkeys.KeyBundle, error) {
		resp, err := client.CreateKey(ctx, id.name, azkeys.CreateKeyParameters{
			Kty: to.Ptr(v.keyType(hsm)), Curve: to.Ptr(azkeys.CurveNameP256K), KeyOps: signAndVerify(),
		}, nil)
		return resp.KeyBundle, err
	})
	if err != nil {
		return backend.Account{}, err
	}
	return v.adopt(ctx, id, bundle, nil)
}

// Import puts a private key into the vault and returns its account. The key
// has been outside the vault: whoever had it can still sign.
func (v *Vault) Import(ctx context.Context, name string, key *ecdsa.PrivateKey, hsm bool) (backend.Account, error) {
	secret, err := privateBytes(key)
	if err != nil {
		return backend.Account{}, err
	}
	defer clear(secret)
	id, err := v.unused(ctx, name)
	if err != nil {
		return backend.Account{}, err
	}
	public := [65]byte(crypto.FromECDSAPub(&key.PublicKey))
	bundle, err := call(ctx, v, v.writing("import", "import", id), func(ctx context.Context, client *azkeys.Client) (azkeys.KeyBundle, error) {
		resp, err := client.ImportKey(ctx, id.name, azkeys.ImportKeyParameters{
			HSM: to.Ptr(hsm || v.endpoint.hsm),
			Key: &azkeys.JSONWebKey{
				Kty: to.Ptr(v.keyType(hsm)), Crv: to.Ptr(azkeys.CurveNameP256K), KeyOps: signAndVerify(),
				X: public[1:33], Y: public[33:], D: secret,
			},
		}, nil)
		return resp.KeyBundle, err
	})
	if err != nil {
		return backend.Account{}, err
	}
	return v.adopt(ctx, id, bundle, &public)
}

// privateBytes returns the 32 bytes of a private key, left-padded. Go's own
// encodings of ecdsa keys don't know secp256k1.
func privateBytes(key *ecdsa.PrivateKey) ([]byte, error) {
	bad := errors.New("the private key is not one of secp256k1")
	if key == nil || key.Curve == nil || key.Params().Name != crypto.S256().Params().Name {
		return nil, bad
	}
	d := key.D
	if d == nil || d.Sign() <= 0 || d.Cmp(crypto.S256().Params().N) >= 0 {
		return nil, bad
	}
	secret := d.FillBytes(make([]byte, 32))
	if own, err := crypto.ToECDSA(secret); err != nil || !own.PublicKey.Equal(&key.PublicKey) {
		return nil, errors.New("the private key and its public key don't belong together")
	}
	return secret, nil
}

// unused checks that a name is well-formed and that no key has it.
func (v *Vault) unused(ctx context.Context, name string) (identifier, error) {
	if err := CheckKeyName(name); err != nil {
		return identifier{}, err
	}
	id := identifier{name: name}
	op := v.getting(id)
	op.quiet = true // that the name is free is what is hoped for
	_, err := call(ctx, v, op, func(ctx context.Context, client *azkeys.Client) (azkeys.GetKeyResponse, error) {
		return client.GetKey(ctx, id.name, "", nil)
	})
	var failure *backend.Error
	switch {
	case err == nil:
		return id, fmt.Errorf("key %s is already in vault %s: choose another name", id.name, v.cfg.Name)
	case errors.As(err, &failure) && failure.Kind == backend.KindNotFound:
		return id, nil
	}
	return id, err
}

// adopt pins a key that was just made. An import must have the public key of
// what was imported.
func (v *Vault) adopt(ctx context.Context, id identifier, bundle azkeys.KeyBundle, want *[65]byte) (backend.Account, error) {
	e, skipped := newEntry(v.cfg.Name, id, bundle, v.cfg.IncludeManaged, time.Now())
	if skipped != nil {
		return backend.Account{}, fmt.Errorf("key %s was made in vault %s, but %s", id.name, v.cfg.Name, skipped.Reason)
	}
	if want != nil && e.account.PublicKey != *want {
		return backend.Account{}, fmt.Errorf("key %s was imported into vault %s, but has another public key there: disable it", id.name, v.cfg.Name)
	}
	if err := v.replace(ctx, func(h *holdings) *holdings { return h.with(e) }); err != nil {
		return backend.Account{}, err
	}
	v.logger.Info("key made", "key", e.id().String(), "address", e.account.Address.Hex())
	return e.account.Clone(), nil
}

// replace changes what is held, between readings.
func (v *Vault) replace(ctx context.Context, change func(*holdings) *holdings) error {
	select {
	case <-v.reading:
	case <-ctx.Done():
		return v.refusal(ctx, backend.KindCanceled, 0, "").asError()
	}
	defer func() { v.reading <- struct{}{} }()
	v.held.Store(change(v.held.Load()))
	return nil
}

func (v *Vault) keyType(hsm bool) azkeys.KeyType {
	if hsm || v.endpoint.hsm {
		return azkeys.KeyTypeECHSM
	}
	return azkeys.KeyTypeEC
}

func signAndVerify() []*azkeys.KeyOperation {
	return []*azkeys.KeyOperation{to.Ptr(azkeys.KeyOperationSign), to.Ptr(azkeys.KeyOperationVerify)}
}
