package keyvault

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend"
)

// entry is a key version that is an account.
type entry struct {
	account   backend.Account
	algorithm azkeys.SignatureAlgorithm
	hardware  bool
	created   time.Time
	updated   time.Time // of the attributes
	expires   time.Time // zero: never
	settled   bool      // the attributes were old enough when read to tell changes by updated
}

func (e *entry) id() identifier { return identifier{e.account.Key, e.account.Version} }

// The curve names and algorithms that the service has for secp256k1. Keys of
// the preview era carry the old name and accept the old algorithm only.
const (
	curveOld     azkeys.CurveName          = "SECP256K1"
	algorithmOld azkeys.SignatureAlgorithm = "ECDSA256"
)

// SkipKind says why a key version is not an account.
type SkipKind uint8

// The reasons to skip a key version.
const (
	SkipOther    SkipKind = iota
	SkipManaged           // behind a certificate
	SkipType              // not an elliptic-curve key
	SkipCurve             // on another curve
	SkipDisabled          // disabled
	SkipValidity          // not yet, or no longer valid
	SkipRights            // its key operations lack sign
	SkipError             // it could not be read
	SkipChanged           // its public key is not the pinned one
	SkipGone              // it is not in the vault
)

// Skipped is a key, or a version of one, that is not an account.
type Skipped struct {
	Key     string
	Version string // empty: the whole key
	Kind    SkipKind
	Reason  string // continues "key NAME": "is disabled"
}

func skip(id identifier, kind SkipKind, format string, args ...any) *Skipped {
	return &Skipped{Key: id.name, Version: id.version, Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

// checkAttributes tells from attributes alone, as listings have them, whether
// a key version can be an account.
func checkAttributes(id identifier, a *azkeys.KeyAttributes, now time.Time) *Skipped {
	switch {
	case a == nil || a.Enabled == nil || !*a.Enabled:
		return skip(id, SkipDisabled, "is disabled")
	case a.NotBefore != nil && a.NotBefore.After(now):
		return skip(id, SkipValidity, "is not valid before %s", a.NotBefore.UTC().Format(time.RFC3339))
	case a.Expires != nil && !a.Expires.After(now):
		return skip(id, SkipValidity, "expired on %s", a.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// newEntry makes an account of a key version, or says why it is none; what is none
// but has a key of the right kind comes along. The bundle must be of the version
// asked for, or of any if no version was asked for.
func newEntry(vault string, asked identifier, b azkeys.KeyBundle, includeManaged bool, now time.Time) (*entry, *Skipped) {
	if b.Key == nil || b.Key.KID == nil {
		return nil, skip(asked, SkipError, "has no identifier in the vault's answer")
	}
	id, err := parseIdentifier(string(*b.Key.KID))
	switch {
	case err != nil:
		return nil, skip(asked, SkipError, "has an identifier that can't be read: %v", err)
	case id.version == "" || !strings.EqualFold(id.name, asked.name) || asked.version != "" && !strings.EqualFold(id.version, asked.version):
		return nil, skip(asked, SkipError, "was asked for and the vault answered with %s", id)
	case b.Managed != nil && *b.Managed && !includeManaged:
		return nil, skip(id, SkipManaged, "belongs to a certificate")
	case b.Key.Kty == nil || *b.Key.Kty != azkeys.KeyTypeEC && *b.Key.Kty != azkeys.KeyTypeECHSM:
		return nil, skip(id, SkipType, "is not an elliptic-curve key")
	}
	e := &entry{hardware: *b.Key.Kty == azkeys.KeyTypeECHSM}
	switch curve := deref(b.Key.Crv); curve {
	case azkeys.CurveNameP256K:
		e.algorithm = azkeys.SignatureAlgorithmES256K
	case curveOld:
		e.algorithm = algorithmOld
	default:
		return nil, skip(id, SkipCurve, "is on curve %s, want P-256K", printable(string(curve)))
	}
	skipped := checkAttributes(id, b.Attributes, now)
	if skipped == nil && !slices.ContainsFunc(b.Key.KeyOps, func(op *azkeys.KeyOperation) bool { return op != nil && *op == azkeys.KeyOperationSign }) {
		skipped = skip(id, SkipRights, "has key operations without sign")
	}
	public, err := backend.PublicKey(b.Key.X, b.Key.Y)
	switch {
	case err != nil && skipped != nil:
		return nil, skipped
	case err != nil:
		return nil, skip(id, SkipError, "has a bad public key: %v", err)
	}
	e.account = backend.Account{
		Address: backend.Address(public), Vault: vault, Key: id.name, Version: id.version,
		PublicKey: public, Tags: make(map[string]string, len(b.Tags)),
	}
	for name, value := range b.Tags {
		e.account.Tags[name] = deref(value)
	}
	if a := b.Attributes; a != nil {
		e.created, e.updated, e.expires = deref(a.Created), deref(a.Updated), deref(a.Expires)
	}
	return e, skipped
}

// unchanged reports whether a listing shows the version as it was when it was
// read, so that it needs not be read again.
func (e *entry) unchanged(p *azkeys.KeyProperties) bool {
	if !e.settled || p.Attributes == nil || !deref(p.Attributes.Updated).Equal(e.updated) || !deref(p.Attributes.Expires).Equal(e.expires) {
		return false
	}
	tags := make(map[string]string, len(p.Tags))
	for name, value := range p.Tags {
		tags[name] = deref(value)
	}
	return maps.Equal(tags, e.account.Tags)
}

// compareEntries orders accounts by key name, age and version.
func compareEntries(a, b *entry) int {
	return cmp.Or(
		strings.Compare(strings.ToLower(a.account.Key), strings.ToLower(b.account.Key)),
		a.created.Compare(b.created),
		strings.Compare(a.account.Version, b.account.Version),
	)
}

// deref reads an optional value of the SDK.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
