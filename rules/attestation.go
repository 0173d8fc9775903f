package rules

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// FileKind is what an attested file is. A store holds one attestation of each.
type FileKind string

// The kinds of file that decide.
const (
	RuleFile   FileKind = "" // Clef's; not named, as in attestations that know no other
	PolicyFile FileKind = "policy"
)

// FileKinds returns all kinds.
func FileKinds() []FileKind { return []FileKind{RuleFile, PolicyFile} }

// String returns the kind as people read it.
func (k FileKind) String() string {
	if k == RuleFile {
		return "rule file"
	}
	return string(k)
}

// Attestation says that a rule file or a policy may be used, as it was when it
// was attested. A store holds one of each kind; the next takes its place.
type Attestation struct {
	Kind   FileKind    `json:"kind,omitempty"`
	SHA256 common.Hash `json:"sha256"`         // of the file's bytes
	File   string      `json:"file,omitempty"` // its name then, for people
	Time   time.Time   `json:"time"`           // UTC

	// Signature is r‖s‖yparity of Digest by Key, a vault key; both are absent
	// when the attestation is not signed.
	Signature hexutil.Bytes   `json:"signature,omitempty"`
	Key       *common.Address `json:"key,omitempty"`
}

// domain keeps the signature apart from everything else that the key may sign,
// files of the other kind as well: no transaction, message or typed data begins
// with it.
func (k FileKind) domain() string { return "kvclef " + k.String() + " attestation 1\n" }

// Digest is what a signed attestation signs: the Keccak-256 of a text with the
// kind of the file, and its hash in 64 hexadecimal digits.
func (a Attestation) Digest() common.Hash {
	return crypto.Keccak256Hash([]byte(a.Kind.domain() + hex.EncodeToString(a.SHA256[:])))
}

// Verify checks that the attestation is signed by the key of an address.
func (a Attestation) Verify(address common.Address) error {
	if len(a.Signature) == 0 {
		return errors.New("the attestation is not signed")
	}
	if len(a.Signature) != crypto.SignatureLength {
		return fmt.Errorf("the signature of the attestation has %d bytes, not %d", len(a.Signature), crypto.SignatureLength)
	}
	digest := a.Digest()
	key, err := crypto.SigToPub(digest[:], a.Signature)
	if err != nil {
		return fmt.Errorf("the signature of the attestation is of nobody: %w", err)
	}
	if signer := crypto.PubkeyToAddress(*key); signer != address {
		return fmt.Errorf("the attestation is signed by %v, not by %v", signer, address)
	}
	return nil
}
