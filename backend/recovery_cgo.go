//go:build cgo

package backend

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// recoveryID returns the recovery id, 0 or 1, with which r‖s recovers to the public
// key; false if there is none. libsecp256k1 recovers so fast that both are tried.
func recoveryID(rs [64]byte, digest common.Hash, publicKey [65]byte) (id byte, ok bool) {
	sig := make([]byte, len(rs)+1)
	copy(sig, rs[:])
	for id := range byte(2) {
		sig[len(rs)] = id
		// Ecrecover fails for an r that is no x-coordinate; the loop decides.
		recovered, err := crypto.Ecrecover(digest[:], sig)
		if err == nil && bytes.Equal(recovered, publicKey[:]) {
			return id, true
		}
	}
	return 0, false
}
