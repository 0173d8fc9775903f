// Package backend is the contract between kvclef and whatever holds its keys:
// a 32-byte digest goes in, a verified 65-byte signature comes out.
//
// Every account is pinned to one vault, key name, key version and public key.
// A signature that does not verify against the pinned public key, or that is
// not low-S with recovery id 0 or 1, is an error and never leaves the package.
//
// The package never sees a private key, never decides whether something may be
// signed, and never hashes: the digest it is given is the digest that is signed.
package backend

import (
	"context"
	"maps"

	"github.com/ethereum/go-ethereum/common"
)

// Signature is r‖s‖yparity: 32 bytes r and 32 bytes s, big-endian, s in the
// lower half of the curve order (EIP-2), then the recovery id, 0 or 1.
type Signature = [65]byte

// Signed is a signature with what a record of it names: the key that made it,
// in which vault, and the vault's own trace of it.
type Signed struct {
	Signature Signature
	Vault     string // the vault's name in the configuration
	Key       string // the key's name in that vault
	Version   string // the key's version, 32 hexadecimal digits
	// RequestID is what the vault calls the request that it answered with the
	// signature: at most 64 visible ASCII characters, "" if it said nothing.
	RequestID string
}

// Account is an Ethereum account whose key lives in a vault. The pair of key
// version and public key is pinned when the account is discovered: a new
// version of the key is a new account with an address of its own.
type Account struct {
	Address   common.Address
	Vault     string            // the vault's name in the configuration, such as "kv-prod"
	Key       string            // the key's name in that vault
	Version   string            // the key's version, 32 hexadecimal digits
	PublicKey [65]byte          // uncompressed SEC 1 point: 0x04‖X‖Y
	Tags      map[string]string // the key's tags in the vault; never nil-checked, never modified
}

// Clone returns a copy that shares nothing with a.
func (a Account) Clone() Account {
	a.Tags = maps.Clone(a.Tags)
	return a
}

// Vault holds keys and signs with them. Implementations are safe for
// concurrent use and honour the context's deadline and cancellation.
type Vault interface {
	// Name is the vault's name in the configuration.
	Name() string

	// Accounts answers from memory, in a stable order, without asking the vault.
	Accounts() []Account

	// Refresh reads the vault's keys again. Accounts that it can no longer
	// read stay as they are until the vault says they are gone or disabled.
	Refresh(ctx context.Context) error

	// Sign signs digest with exactly the account's key version, and names it in
	// the result. Failures are of type *Error.
	Sign(ctx context.Context, account Account, digest common.Hash) (Signed, error)
}
