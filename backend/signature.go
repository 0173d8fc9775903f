package backend

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// ErrNotOurSignature reports an r‖s that is not a signature of the digest by
// the pinned key, or one that Ethereum does not accept.
var ErrNotOurSignature = errors.New("not a signature of the digest by the pinned key")

// Complete turns the 64 bytes r‖s that a vault returns into an Ethereum
// signature. It replaces a high s by n−s (EIP-2; Key Vault does not normalise),
// and finds the recovery id by comparing the recovered keys with the pinned
// public key, an uncompressed SEC 1 point. Recovery ids 2 and 3, for which r
// overflowed the curve order, are not valid in Ethereum and are refused, as is
// everything that does not verify.
func Complete(rs []byte, digest common.Hash, publicKey [65]byte) (Signature, error) {
	var sig Signature
	if len(rs) != 64 {
		return Signature{}, fmt.Errorf("%w: %d bytes, want 64", ErrNotOurSignature, len(rs))
	}
	r, s, n := new(uint256.Int).SetBytes(rs[:32]), new(uint256.Int).SetBytes(rs[32:]), curveOrder()
	if r.IsZero() || s.IsZero() || !r.Lt(n) || !s.Lt(n) {
		return Signature{}, fmt.Errorf("%w: r or s is out of range", ErrNotOurSignature)
	}
	if half := new(uint256.Int).Rsh(n, 1); s.Gt(half) {
		s.Sub(n, s)
	}
	r.WriteToSlice(sig[:32])
	s.WriteToSlice(sig[32:64])
	id, ok := recoveryID([64]byte(sig[:64]), digest, publicKey)
	if !ok {
		return Signature{}, ErrNotOurSignature
	}
	sig[64] = id
	return sig, nil
}

// Address returns the account address of an uncompressed SEC 1 public key: the
// last 20 bytes of the Keccak-256 of its coordinates.
func Address(publicKey [65]byte) common.Address {
	return common.BytesToAddress(crypto.Keccak256(publicKey[1:])[12:])
}

// PublicKey assembles the uncompressed SEC 1 point from the coordinates of a
// JSON Web Key. Coordinates shorter than 32 bytes are padded on the left (a
// service may strip leading zeros); longer ones, and points that are not on
// secp256k1, are refused.
func PublicKey(x, y []byte) ([65]byte, error) {
	var point [65]byte
	if len(x) == 0 || len(y) == 0 || len(x) > 32 || len(y) > 32 {
		return point, fmt.Errorf("public key has coordinates of %d and %d bytes, want at most 32 each", len(x), len(y))
	}
	point[0] = 4
	copy(point[33-len(x):33], x)
	copy(point[65-len(y):], y)
	if _, err := crypto.UnmarshalPubkey(point[:]); err != nil {
		return [65]byte{}, errors.New("public key is not a point on secp256k1")
	}
	return point, nil
}

// curveOrder returns n, the order of secp256k1's base point (SEC 2, 2.4.1).
func curveOrder() *uint256.Int {
	return uint256.MustFromBig(crypto.S256().Params().N)
}
