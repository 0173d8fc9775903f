package emulator

import (
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
)

// algorithm is a signature algorithm: which curves it goes with, and how long
// its digest is.
type algorithm struct {
	curves []string
	digest int // bytes
}

// algorithms by name (RFC 7518 section 3.4, RFC 8812, and the ECDSA256 of the
// preview era).
func algorithms(name string) (algorithm, bool) {
	switch name {
	case "ES256":
		return algorithm{[]string{"P-256"}, 32}, true
	case "ES384":
		return algorithm{[]string{"P-384"}, 48}, true
	case "ES512":
		return algorithm{[]string{"P-521"}, 64}, true
	case "ES256K":
		return algorithm{[]string{curveP256K}, 32}, true
	case "ECDSA256":
		return algorithm{[]string{"P-256", curveSECP256K1}, 32}, true
	}
	return algorithm{}, false
}

type signRequest struct {
	Alg   string `json:"alg"`
	Value string `json:"value"` // the digest, base64url
}

type verifyRequest struct {
	Alg    string `json:"alg"`
	Digest string `json:"digest"`
	Value  string `json:"value"` // the signature, base64url
}

// signReply names the version that signed; only Managed HSM repeats the algorithm.
type signReply struct {
	Alg   string `json:"alg,omitempty"`
	KID   string `json:"kid"`
	Value string `json:"value"` // r‖s, base64url
}

type verifyReply struct {
	Alg   string `json:"alg,omitempty"`
	KID   string `json:"kid,omitempty"`
	Value bool   `json:"value"`
}

// sign is POST /keys/NAME[/VERSION]/sign. The value is signed as it is; the
// answer is r‖s of fixed width, and s is not normalised.
func (s *Server) sign(c *call, fault *Fault) (any, error) {
	var q signRequest
	if err := c.parse(&q); err != nil {
		return nil, err
	}
	k, v, ok := c.target.vault.find(c.name, c.version)
	if !ok {
		return nil, keyNotFound(c)
	}
	if err := v.maySign(time.Now()); err != nil {
		return nil, err
	}
	kid := c.keyID(k.name, v.id)
	digest, err := usable(v, kid, q.Alg, "value", q.Value)
	if err != nil {
		return nil, err
	}
	if s.opts.Signing != nil {
		s.opts.Signing(digest)
	}
	m := v.material
	if fault.is(FaultWrongSignature) {
		if m, err = generateEC(m.curve); err != nil {
			return nil, err
		}
	}
	signature, err := m.sign(digest)
	if err != nil {
		return nil, err
	}
	switch {
	case fault.is(FaultWrongLength):
		signature = signature[:len(signature)-1]
	case fault.is(FaultWrongKID):
		kid = c.keyID(k.name, randomID())
	}
	reply := signReply{KID: kid, Value: encode(signature)}
	if c.target.vault.flavor == ManagedHSM {
		reply.Alg = q.Alg
	}
	return reply, nil
}

// verify is POST /keys/NAME[/VERSION]/verify; a disabled or expired key still
// verifies.
func (s *Server) verify(c *call, fault *Fault) (any, error) {
	var q verifyRequest
	if err := c.parse(&q); err != nil {
		return nil, err
	}
	k, v, ok := c.target.vault.find(c.name, c.version)
	if !ok {
		return nil, keyNotFound(c)
	}
	if !slices.Contains(v.ops, "verify") {
		return nil, forbidden("KeyOperationForbidden", "Operation verify is not permitted on this key.")
	}
	kid := c.keyID(k.name, v.id)
	digest, err := usable(v, kid, q.Alg, "digest", q.Digest)
	if err != nil {
		return nil, err
	}
	signature, err := decode(q.Value)
	if err != nil {
		return nil, badParameter("Property value is not base64url.")
	}
	if fault.is(FaultWrongKID) {
		kid = c.keyID(k.name, randomID())
	}
	reply := verifyReply{Value: v.material.verify(digest, signature)}
	if c.target.vault.flavor == ManagedHSM {
		reply.Alg, reply.KID = q.Alg, kid
	}
	return reply, nil
}

// maySign refuses disabled keys, keys outside their time, and keys made for
// something else. The inner codes of the latter two are not documented.
func (v *version) maySign(now time.Time) error {
	switch {
	case !v.enabled:
		return keyDisabled(OpSign)
	case v.nbf != nil && now.Unix() < *v.nbf:
		return forbidden("KeyNotYetValid", "Operation sign is not allowed on a key that is not yet valid.")
	case v.exp != nil && now.Unix() >= *v.exp:
		return forbidden("KeyExpired", "Operation sign is not allowed on an expired key.")
	case !slices.Contains(v.ops, "sign"):
		return forbidden("KeyOperationForbidden", "Operation sign is not permitted on this key.")
	}
	return nil
}

// usable decodes a digest for an algorithm that goes with the key.
func usable(v *version, kid, alg, property, text string) ([]byte, error) {
	a, ok := algorithms(alg)
	if !ok {
		return nil, badParameter("Property alg has an invalid value: '%s'", bounded(alg))
	}
	if v.material.rsa != nil {
		return nil, badParameter("Key and signing algorithm are incompatible. Key %s is an RSA key, and algorithm '%s' needs an EC key.", kid, alg)
	}
	if !slices.Contains(a.curves, v.material.curve) {
		curves := "'" + a.curves[0] + "'"
		for _, curve := range a.curves[1:] {
			curves += " or '" + curve + "'"
		}
		return nil, badParameter("Key and signing algorithm are incompatible. Key %s uses curve '%s', and algorithm '%s' can only be used with curve %s.",
			kid, v.material.curve, alg, curves)
	}
	digest, err := decode(text)
	if err != nil {
		return nil, badParameter("Property %s is not base64url.", property)
	}
	if len(digest) != a.digest {
		return nil, badParameter("Invalid length of '%s': %d bytes. %s requires %d bytes, encoded with base64url.", property, len(digest), alg, a.digest)
	}
	return digest, nil
}

// sign returns r‖s, each as wide as the curve's order.
func (m *material) sign(digest []byte) ([]byte, error) {
	if !isSecp256k1(m.curve) {
		r, s, err := ecdsa.Sign(rand.Reader, m.ec, digest)
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		size := (m.ec.Params().BitSize + 7) / 8
		signature := make([]byte, 2*size)
		r.FillBytes(signature[:size])
		s.FillBytes(signature[size:])
		return signature, nil
	}
	signature, err := crypto.Sign(digest, m.ec)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	signature = signature[:64]
	var coin [1]byte
	rand.Read(coin[:])
	if coin[0]&1 == 1 { // n−s is as good a signature as s
		high := new(big.Int).SetBytes(signature[32:])
		high.Sub(m.ec.Params().N, high).FillBytes(signature[32:])
	}
	return signature, nil
}

func (m *material) verify(digest, signature []byte) bool {
	size := (m.ec.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r := new(big.Int).SetBytes(signature[:size])
	s := new(big.Int).SetBytes(signature[size:])
	if !isSecp256k1(m.curve) {
		return ecdsa.Verify(&m.ec.PublicKey, digest, r, s)
	}
	// The library takes low s only: n−s verifies exactly when s does.
	n := m.ec.Params().N
	if s.Sign() <= 0 || s.Cmp(n) >= 0 {
		return false
	}
	low := slices.Clone(signature)
	if s.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		s.Sub(n, s).FillBytes(low[32:])
	}
	return crypto.VerifySignature(crypto.FromECDSAPub(&m.ec.PublicKey), digest, low)
}
