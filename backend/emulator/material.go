package emulator

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
)

// Curve names. SECP256K1 is what keys of the preview era are labelled with: the
// same curve as P-256K, another algorithm name.
const (
	curveP256K     = "P-256K"
	curveSECP256K1 = "SECP256K1"
)

// material is a private key and the public half as the wire shows it. It never changes.
type material struct {
	curve string // "" for RSA
	ec    *ecdsa.PrivateKey
	rsa   *rsa.PrivateKey
	x, y  string // base64url, full width
	n, e  string
}

func nistCurve(name string) elliptic.Curve {
	switch name {
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	}
	return nil
}

func isSecp256k1(curve string) bool { return curve == curveP256K || curve == curveSECP256K1 }

func generateEC(curve string) (*material, error) {
	if isSecp256k1(curve) {
		key, err := crypto.GenerateKey()
		if err != nil {
			return nil, fmt.Errorf("generating a key: %w", err)
		}
		return secp256k1Material(curve, key), nil
	}
	c := nistCurve(curve)
	if c == nil {
		return nil, badParameter("The curve '%s' is not supported.", bounded(curve))
	}
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	return nistMaterial(curve, key)
}

func generateRSA(bits int) (*material, error) {
	switch bits {
	case 0:
		bits = 2048
	case 2048, 3072, 4096:
	default:
		return nil, badParameter("The key size %d is not supported: use 2048, 3072 or 4096.", bits)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	return rsaMaterial(key), nil
}

func secp256k1Material(curve string, key *ecdsa.PrivateKey) *material {
	point := crypto.FromECDSAPub(&key.PublicKey)
	return &material{curve: curve, ec: key, x: encode(point[1:33]), y: encode(point[33:])}
}

func nistMaterial(curve string, key *ecdsa.PrivateKey) (*material, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding a public key: %w", err)
	}
	half := len(point)/2 + 1
	return &material{curve: curve, ec: key, x: encode(point[1:half]), y: encode(point[half:])}, nil
}

func rsaMaterial(key *rsa.PrivateKey) *material {
	return &material{rsa: key, n: encode(key.N.Bytes()), e: encode(big.NewInt(int64(key.E)).Bytes())}
}

// importEC builds a key from its private scalar, big-endian; x and y, when
// given, must belong to it.
func importEC(curve string, d, x, y []byte) (*material, error) {
	m, err := ecFromScalar(curve, d)
	if err != nil {
		return nil, badParameter("The EC key is not valid: %s", err)
	}
	if !sameInteger(m.x, x) || !sameInteger(m.y, y) {
		return nil, badParameter("The EC key is not valid: x and y do not belong to d")
	}
	return m, nil
}

func ecFromScalar(curve string, d []byte) (*material, error) {
	if isSecp256k1(curve) {
		if len(d) > 32 {
			return nil, errors.New("d is longer than 32 bytes")
		}
		key, err := crypto.ToECDSA(leftPad(d, 32))
		if err != nil {
			return nil, errors.New("d is not a scalar of the curve")
		}
		return secp256k1Material(curve, key), nil
	}
	c := nistCurve(curve)
	if c == nil {
		return nil, fmt.Errorf("the curve '%s' is not supported", bounded(curve))
	}
	size := (c.Params().BitSize + 7) / 8
	if len(d) > size {
		return nil, fmt.Errorf("d is longer than %d bytes", size)
	}
	key, err := ecdsa.ParseRawPrivateKey(c, leftPad(d, size))
	if err != nil {
		return nil, errors.New("d is not a scalar of the curve")
	}
	return nistMaterial(curve, key)
}

// importRSA builds a key from n, e, d, p and q.
func importRSA(n, e, d, p, q []byte) (*material, error) {
	for _, part := range [][]byte{n, e, d, p, q} {
		if len(part) == 0 || len(part) > 1024 {
			return nil, badParameter("The RSA key is not valid: n, e, d, p and q are needed")
		}
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 {
		return nil, badParameter("The RSA key is not valid: e is too large")
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())},
		D:         new(big.Int).SetBytes(d),
		Primes:    []*big.Int{new(big.Int).SetBytes(p), new(big.Int).SetBytes(q)},
	}
	if key.N.BitLen() < 2048 || key.N.BitLen() > 4096 {
		return nil, badParameter("The RSA key is not valid: use 2048 to 4096 bits")
	}
	if err := key.Validate(); err != nil {
		return nil, badParameter("The RSA key is not valid: n, e, d, p and q do not belong together")
	}
	return rsaMaterial(key), nil
}

// scalar is the private scalar of an EC key, big-endian.
func (m *material) scalar() ([]byte, error) {
	if isSecp256k1(m.curve) {
		return crypto.FromECDSA(m.ec), nil
	}
	d, err := m.ec.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding a private key: %w", err)
	}
	return d, nil
}

func leftPad(b []byte, size int) []byte {
	if len(b) >= size {
		return b
	}
	return append(make([]byte, size-len(b)), b...)
}

// sameInteger compares a coordinate of ours with one given, whose leading zeros
// may be left out; none given is as good.
func sameInteger(ours string, given []byte) bool {
	if len(given) == 0 {
		return true
	}
	b, err := decode(ours)
	return err == nil && bytes.Equal(bytes.TrimLeft(b, "\x00"), bytes.TrimLeft(given, "\x00"))
}

// encode and decode are base64url (RFC 4648 section 5); padding is never
// written, and accepted.
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(text string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
}
