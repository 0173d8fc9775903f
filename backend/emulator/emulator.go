// Package emulator is an HTTPS Key Vault and Managed HSM for development and
// tests, together with the Entra endpoint that gives out its tokens. The
// unmodified Azure SDKs speak to it as they do to the real service: challenge
// authentication, signed access tokens, paging, soft delete, error bodies. Faults
// can be injected into any operation.
//
// Source: Microsoft's "Key Vault REST API" and "Azure REST API authentication"
// pages, and recordings of the real service (testdata/recordings).
//
// The package never listens beyond loopback, never talks to another host, and
// is never the place for a key that guards something of value: private keys lie
// in its memory, and in its state file, as they are.
package emulator

import (
	"crypto/ecdsa"
	"crypto/x509"
	"log/slog"
	"time"
)

// Flavor says which of the two services a vault imitates.
type Flavor uint8

// The flavors differ in host name, token audience, key types, and in details of
// the answers.
const (
	KeyVault Flavor = iota
	ManagedHSM
)

// VaultOptions describes one vault.
type VaultOptions struct {
	Name   string // 3 to 24 letters, digits and hyphens; unique among the server's vaults
	Flavor Flavor
	Limit  Limit
}

// Options configures a server. The zero value is ready to use.
type Options struct {
	// Addr is the loopback address to listen on; "" is 127.0.0.1:0.
	Addr string
	// Vaults are the vaults that exist; none is one Key Vault named "dev".
	Vaults []VaultOptions
	// StateFile keeps the keys: mode 0600, replaced atomically and durable
	// before a change is answered. "" keeps them in memory only.
	StateFile string
	// Latency is added to every key operation of an authenticated caller.
	Latency time.Duration
	// TokenLifetime is the life of an access token; 0 is one hour.
	TokenLifetime time.Duration
	// TenantID and ClientID default to fixed ids, ClientSecret to a random
	// one per start.
	TenantID, ClientID, ClientSecret string
	// ClientCertificates are the certificates registered for the client: an
	// assertion signed by one of their keys (RS256 or PS256) gets a token.
	ClientCertificates []*x509.Certificate
	// FederatedToken is the exact token of a federated identity that gets an
	// access token when presented as a client assertion; "" accepts none.
	FederatedToken string
	// Signing is told of each digest before it is signed, at the same time for
	// requests at the same time; nil tells nobody.
	Signing func(digest []byte)
	// Logger receives one debug line per request; nil discards them.
	Logger *slog.Logger
}

// The fixed ids that a server uses unless told otherwise.
const (
	DefaultTenantID = "6b766b65-7900-4000-8000-000000000001"
	DefaultClientID = "6b766b65-7900-4000-8000-000000000002"
)

// Key is a version of a key in a vault.
type Key struct {
	ID      string           // https://HOST/keys/NAME/VERSION
	Name    string           //
	Version string           // 32 hexadecimal digits
	Public  *ecdsa.PublicKey // nil for an RSA key
}

// Op names an operation in counts and faults.
type Op string

// The operations on keys, on deleted keys, and around them.
const (
	OpCreate            Op = "create"
	OpImport            Op = "import"
	OpGet               Op = "get"
	OpList              Op = "list"
	OpVersions          Op = "versions"
	OpUpdate            Op = "update"
	OpDelete            Op = "delete"
	OpRotate            Op = "rotate"
	OpRotationPolicy    Op = "rotation-policy"
	OpSetRotationPolicy Op = "set-rotation-policy"
	OpSign              Op = "sign"
	OpVerify            Op = "verify"
	OpDeletedList       Op = "deleted-list"
	OpDeletedGet        Op = "deleted-get"
	OpRecover           Op = "recover"
	OpPurge             Op = "purge"
	OpUnsupported       Op = "unsupported" // a request for anything else
	OpChallenge         Op = "challenge"   // 401 to a request without a token
	OpDenied            Op = "denied"      // 401 to a request with a bad token
	OpDiscovery         Op = "openid"      // Entra's configuration, keys and instance discovery
	OpToken             Op = "token"
	OpIdentity          Op = "managed-identity"
	OpForeign           Op = "foreign" // any request to ForeignHost
)

func allOps() []Op {
	return []Op{
		OpCreate, OpImport, OpGet, OpList, OpVersions, OpUpdate, OpDelete, OpRotate, OpRotationPolicy,
		OpSetRotationPolicy, OpSign, OpVerify, OpDeletedList, OpDeletedGet, OpRecover, OpPurge, OpUnsupported,
		OpChallenge, OpDenied, OpDiscovery, OpToken, OpIdentity, OpForeign,
	}
}

// onKeys tells the operations of an authenticated caller on a vault.
func (o Op) onKeys() bool {
	switch o {
	case OpChallenge, OpDenied, OpDiscovery, OpToken, OpIdentity, OpForeign:
		return false
	}
	return true
}
