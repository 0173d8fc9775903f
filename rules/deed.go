package rules

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"
)

// byDeed gives charges slots of their own for what a request does, where people may
// approve that limits are passed. What they approve, or are still thinking about, counts
// without a cap; in a slot for all that has its nonce it would lend its room to a
// transaction that nobody was asked about. Only the same with other fees has the same slot.
// Firm limits are never passed, so that the largest of a slot may stand for all.
func byDeed(charges []Charge, req *Request) error {
	deed, err := deedOf(req)
	if err != nil {
		return err
	}
	for i := range charges {
		if c := &charges[i]; !c.Firm && c.Slot != "" {
			c.Slot += "/" + deed
		}
	}
	return nil
}

// deedOf is the SHA-256 of what a request does, whatever it pays for that, as base64url:
// of a transaction all but its nonce, gas and fees; of anything else what is signed.
func deedOf(req *Request) (string, error) {
	deed := []any{req.Digest}
	if tx := req.Transaction; tx != nil {
		deed = []any{tx.Type(), tx.To(), tx.Value(), tx.Data(), tx.AccessList(), tx.BlobHashes(), tx.SetCodeAuthorizations()}
	}
	text, err := rlp.EncodeToBytes(deed)
	if err != nil {
		return "", fmt.Errorf("writing what the request does: %w", err)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
