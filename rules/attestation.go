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

// Attestation says that a rule file may be used, as it was when it was
// attested. A store holds one; the next takes its place.
type Attestation struct {
	SHA256 common.Hash `json:"sha256"`         // of the file's bytes
	File   string      `json:"file,omitempty"` // its name then, for people
	Time   time.Time   `json:"time"`           // UTC

	// Signature is r‖s‖yparity of Digest by Key, a vault key; both are absent
	// when the attestation is not signed.
	Signature hexutil.Bytes   `json:"signature,omitempty"`
	Key       *common.Address `json:"key,omitempty"`
}

// attestationDomain keeps the signature apart from everything else that the
// key may sign: no transaction, message or typed data begins with it.
const attestationDomain = "kvclef rule file attestation 1\n"

// Digest is what a signed attestation signs: the Keccak-256 of a text with the
// file's hash in 64 hexadecimal digits.
func (a Attestation) Digest() common.Hash {
	return crypto.Keccak256Hash([]byte(attestationDomain + hex.EncodeToString(a.SHA256[:])))
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
