//go:build !cgo

package backend

import (
	"bytes"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/common"
)

// recoveryID returns the recovery id, 0 or 1, with which r‖s recovers to the public
// key; false if there is none. Without cgo a recovery is four times as dear, so that
// none is made: verifying the signature by the known key (SEC 1, 4.1.4) yields the
// point R that its maker chose, whose x-coordinate must be r, and the id is whether
// its y-coordinate is odd. Nothing here is secret, hence variable time.
func recoveryID(rs [64]byte, digest common.Hash, publicKey [65]byte) (id byte, ok bool) {
	key, err := secp256k1.ParsePubKey(publicKey[:])
	if err != nil {
		return 0, false
	}
	var r, s, z secp256k1.ModNScalar
	if r.SetByteSlice(rs[:32]) || s.SetByteSlice(rs[32:]) || r.IsZero() || s.IsZero() {
		return 0, false
	}
	z.SetBytes((*[32]byte)(&digest)) // modulo the order, as ECDSA wants it

	// R = (z/s)·G + (r/s)·Q
	inverse := new(secp256k1.ModNScalar).InverseValNonConst(&s)
	var q, ofBase, ofKey, point secp256k1.JacobianPoint
	key.AsJacobian(&q)
	secp256k1.ScalarBaseMultNonConst(z.Mul(inverse), &ofBase)
	secp256k1.ScalarMultNonConst(r.Mul(inverse), &q, &ofKey)
	secp256k1.AddNonConst(&ofBase, &ofKey, &point)
	if point.Z.IsZero() {
		return 0, false // at infinity
	}
	point.ToAffine()
	// An x-coordinate beyond the order is one of ids 2 and 3, and is not equal to r.
	if x := point.X.Bytes(); !bytes.Equal(x[:], rs[:32]) {
		return 0, false
	}
	return byte(point.Y.IsOddBit()), true
}
