package rules

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/rlp"
)

// inSlots returns charges with slots of their own for a key, where people may approve
// that limits are passed. What they approve counts without a cap; in a slot for all that
// has its nonce it would lend its room to a transaction that nobody was asked about. Firm
// limits are never passed, so that the largest of a slot may stand for all.
func inSlots(charges []Charge, key string) []Charge {
	charges = slices.Clone(charges)
	for i := range charges {
		if c := &charges[i]; !c.Firm && c.Slot != "" {
			c.Slot += "/" + key
		}
	}
	return charges
}

// deedOf is the SHA-256 of what a request does, whatever it pays for that, as base64url:
// of a transaction all but its nonce, gas and fees; of anything else what is signed. Once
// people have approved it, the same with other fees is what they approved.
func deedOf(req *Request) (string, error) {
	deed := []any{req.Digest}
	if tx := req.Transaction; tx != nil {
		deed = []any{tx.Type(), tx.To(), tx.Value(), tx.Data(), tx.AccessList(), tx.BlobHashes(), tx.SetCodeAuthorizations()}
	}
	return keyOf(deed)
}

// askedOf is the same of what people are asked about: until they have approved it, it lends
// nothing to anything else, be that the same with other fees.
func askedOf(req *Request, deed string) (string, error) {
	return keyOf([]any{"asked", deed, req.Digest})
}

// keyOf is the SHA-256 of a list as base64url.
func keyOf(list []any) (string, error) {
	text, err := rlp.EncodeToBytes(list)
	if err != nil {
		return "", fmt.Errorf("writing what the request does: %w", err)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
