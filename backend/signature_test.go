package backend

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// serviceSignatures are signatures of the real services, from the test
// recordings of Azure's Go SDK (azkeys 1.1.1, May 2024): the SHA-256 of
// "plaintext", signed with ES256K.
var serviceSignatures = []struct {
	name, x, y, signature string
	highS                 bool
	yParity               byte
	address               string
}{
	{
		name: "Key Vault, software key, low s",
		x:    "aUnJPFBzKrzFL3E7voxXbQC-HjxXm5cPSC2v1QoeHHI", y: "W5kc63pcEemGd1kuTK1gczV_Zcsa5z9aPF6xL__mHMU",
		signature: "hc7XAu8oKF7f01iTVxtaeSHPdIW4CWpUTSH9XE9X51oWgUQrehOpcjdRNyJPsFA5pwx3q2PA2pdFEjo-nYAS1A",
		yParity:   0, address: "0x7cbadda84f673b94dd81f48799f017ec80e42f54",
	},
	{
		name: "Managed HSM, high s",
		x:    "VXzdoT77ZnmPnBAR3nVAueUVcKHNFKx_Uqdp-6KetaA", y: "W-1MfgzLeCrbz1KHriIdqpDgHD8gSGcsuhBNQMP5E-k",
		signature: "DoUBtP-PmUUQoxHMY1yXy8wdl0UwO77d3eHGakCsW2PVDbSIf6uRlnfXvLW-LZFVQ8d0BmOQTfNgKYmI_5itDA",
		highS:     true, yParity: 1, address: "0xf8689e470cf6ca88c3b0203f4b3e60f12321efda",
	},
}

var serviceDigest = common.HexToHash("0x96d62e2abd3e42de5f50330fb8efc4c5599835278077b21e9aa0b33c1df07a1c")

func decode(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCompleteOfRealServices(t *testing.T) {
	for _, c := range serviceSignatures {
		t.Run(c.name, func(t *testing.T) {
			public, err := PublicKey(decode(t, c.x), decode(t, c.y))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := Address(public), common.HexToAddress(c.address); got != want {
				t.Fatalf("address %s, want %s", got, want)
			}
			rs := decode(t, c.signature)
			if high := isHigh(rs[32:]); high != c.highS {
				t.Fatalf("the recorded s is high: %v, want %v", high, c.highS)
			}
			sig, err := Complete(rs, serviceDigest, public)
			if err != nil {
				t.Fatal(err)
			}
			if sig[64] != c.yParity {
				t.Errorf("y parity %d, want %d", sig[64], c.yParity)
			}
			checkComplete(t, sig, serviceDigest, public)
			if !bytes.Equal(sig[:32], rs[:32]) {
				t.Error("r has changed")
			}
			if changed := !bytes.Equal(sig[32:64], rs[32:]); changed != c.highS {
				t.Errorf("s has changed: %v, want %v", changed, c.highS)
			}
		})
	}
}

// checkComplete holds a signature against an implementation other than ours.
func checkComplete(t testing.TB, sig Signature, digest common.Hash, public [65]byte) {
	t.Helper()
	if sig[64] > 1 || isHigh(sig[32:64]) {
		t.Fatalf("signature %x has a high s or a recovery id above 1", sig)
	}
	if !crypto.VerifySignature(public[:], digest[:], sig[:64]) {
		t.Fatalf("signature %x does not verify", sig)
	}
	recovered, err := crypto.Ecrecover(digest[:], sig[:])
	if err != nil || !bytes.Equal(recovered, public[:]) {
		t.Fatalf("signature %x recovers to %x (%v), want %x", sig, recovered, err, public)
	}
}

func isHigh(s []byte) bool {
	half := new(big.Int).Rsh(crypto.S256().Params().N, 1)
	return new(big.Int).SetBytes(s).Cmp(half) > 0
}

func testKey(t testing.TB, seed string) (*ecdsa.PrivateKey, [65]byte) {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(seed)))
	if err != nil {
		t.Fatal(err)
	}
	return key, [65]byte(crypto.FromECDSAPub(&key.PublicKey))
}

// highS returns r‖s of a signature with s in the upper half.
func highS(sig []byte) []byte {
	s := new(big.Int).SetBytes(sig[32:64])
	out := bytes.Clone(sig[:64])
	new(big.Int).Sub(crypto.S256().Params().N, s).FillBytes(out[32:])
	return out
}

func TestCompleteOfManyKeys(t *testing.T) {
	for i := range 300 {
		key, public := testKey(t, strings.Repeat("k", i+1))
		digest := crypto.Keccak256Hash([]byte{byte(i), byte(i >> 8)})
		signed, err := crypto.Sign(digest[:], key)
		if err != nil {
			t.Fatal(err)
		}
		for _, rs := range [][]byte{signed[:64], highS(signed)} {
			sig, err := Complete(rs, digest, public)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(sig[:], signed) {
				t.Fatalf("got %x, want %x", sig, signed)
			}
		}
	}
}

func TestCompleteRefuses(t *testing.T) {
	key, public := testKey(t, "pinned")
	_, other := testKey(t, "other")
	digest := crypto.Keccak256Hash([]byte("digest"))
	signed, err := crypto.Sign(digest[:], key)
	if err != nil {
		t.Fatal(err)
	}
	rs := signed[:64]
	order := crypto.S256().Params().N.FillBytes(make([]byte, 32))
	zero, ones := make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)
	flipped := bytes.Clone(rs)
	flipped[63] ^= 1
	for name, c := range map[string]struct {
		rs     []byte
		digest common.Hash
		public [65]byte
	}{
		"nothing":            {nil, digest, public},
		"63 bytes":           {rs[:63], digest, public},
		"65 bytes":           {signed, digest, public},
		"a zero before s":    {slices.Concat(rs[:32], []byte{0}, rs[32:]), digest, public},
		"r is 0":             {append(bytes.Clone(zero), rs[32:]...), digest, public},
		"s is 0":             {append(bytes.Clone(rs[:32]), zero...), digest, public},
		"r is the order":     {append(bytes.Clone(order), rs[32:]...), digest, public},
		"s is the order":     {append(bytes.Clone(rs[:32]), order...), digest, public},
		"all ones":           {append(bytes.Clone(ones), ones...), digest, public},
		"a flipped bit":      {flipped, digest, public},
		"another digest":     {rs, common.Hash{1}, public},
		"another key":        {rs, digest, other},
		"no key":             {rs, digest, [65]byte{}},
		"r and s exchanged":  {append(bytes.Clone(rs[32:]), rs[:32]...), digest, public},
		"r with an overflow": {overflown(t), digest, public},
	} {
		sig, err := Complete(c.rs, c.digest, c.public)
		if !errors.Is(err, ErrNotOurSignature) || sig != (Signature{}) {
			t.Errorf("%s: got %x, %v, want ErrNotOurSignature and no signature", name, sig, err)
		}
	}
}

// overflown returns r‖s whose r is an x-coordinate minus the order, as in
// signatures with recovery ids 2 and 3: r is small enough to have overflowed.
func overflown(t testing.TB) []byte {
	t.Helper()
	rs := make([]byte, 64)
	rs[31], rs[63] = 2, 1
	return rs
}

// TestCompleteRefusesRecoveryIDs2And3 builds, from an overflowed r, the public
// key that such a signature has, which no other path would produce.
func TestCompleteRefusesRecoveryIDs2And3(t *testing.T) {
	digest := crypto.Keccak256Hash([]byte("digest"))
	tried := 0
	for r := byte(1); r < 100; r++ {
		rs := make([]byte, 65)
		rs[31], rs[63] = r, 1
		for _, id := range []byte{2, 3} {
			rs[64] = id
			recovered, err := crypto.Ecrecover(digest[:], rs)
			if err != nil {
				continue // r plus the order is no x-coordinate
			}
			tried++
			if sig, err := Complete(rs[:64], digest, [65]byte(recovered)); !errors.Is(err, ErrNotOurSignature) {
				t.Fatalf("r=%d id=%d: got %x, %v", r, id, sig, err)
			}
		}
	}
	if tried == 0 {
		t.Fatal("no signature with an overflowed r was tried")
	}
}

func TestPublicKey(t *testing.T) {
	_, public := testKey(t, "pinned")
	short, shortY := shortKey(t, 1), shortKey(t, 33)
	for name, c := range map[string]struct {
		x, y []byte
		want [65]byte
		ok   bool
	}{
		"full width":            {public[1:33], public[33:], public, true},
		"leading zero stripped": {bytes.TrimLeft(short[1:33], "\x00"), short[33:], short, true},
		"leading zero kept":     {short[1:33], short[33:], short, true},
		"the same of y":         {shortY[1:33], bytes.TrimLeft(shortY[33:], "\x00"), shortY, true},
		"no x":                  {nil, public[33:], [65]byte{}, false},
		"no y":                  {public[1:33], nil, [65]byte{}, false},
		"x of 33 bytes":         {append([]byte{0}, public[1:33]...), public[33:], [65]byte{}, false},
		"y of 33 bytes":         {public[1:33], append([]byte{0}, public[33:]...), [65]byte{}, false},
		"x that begins with 4":  {append([]byte{4}, public[1:33]...), public[33:], [65]byte{}, false},
		"x of 34 bytes":         {append([]byte{0, 0}, public[1:33]...), public[33:], [65]byte{}, false},
		"y with the end of x":   {public[1:33], append([]byte{public[32]}, public[33:]...), [65]byte{}, false},
		"y of 34 bytes":         {public[1:33], append([]byte{0, 0}, public[33:]...), [65]byte{}, false},
		"not on the curve":      {public[33:], public[1:33], [65]byte{}, false},
		"zero":                  {make([]byte, 32), make([]byte, 32), [65]byte{}, false},
	} {
		got, err := PublicKey(c.x, c.y)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%s: got %x, %v", name, got, err)
		}
	}
}

// shortKey returns a public key that has a zero byte at a place: at 1 where its
// x-coordinate begins, at 33 its y-coordinate.
func shortKey(t testing.TB, at int) [65]byte {
	t.Helper()
	for i := range 10_000 {
		if _, public := testKey(t, strings.Repeat("s", i)); public[at] == 0 {
			return public
		}
	}
	t.Fatal("no key with a short coordinate")
	return [65]byte{}
}

func FuzzCompleteIsLowSAndRecovers(f *testing.F) {
	for _, c := range serviceSignatures {
		rs := decode(f, c.signature)
		public, err := PublicKey(decode(f, c.x), decode(f, c.y))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(rs, serviceDigest[:], public[:])
	}
	key, public := testKey(f, "pinned")
	signed, err := crypto.Sign(serviceDigest[:], key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed[:64], serviceDigest[:], public[:])
	f.Add(highS(signed), serviceDigest[:], public[:])
	f.Add(overflown(f), serviceDigest[:], public[:])
	f.Fuzz(func(t *testing.T, rs, digest, pinned []byte) {
		if len(digest) != 32 || len(pinned) != 65 {
			return
		}
		sig, err := Complete(rs, common.Hash(digest), [65]byte(pinned))
		if err != nil {
			if sig != (Signature{}) || !errors.Is(err, ErrNotOurSignature) {
				t.Fatalf("got %x, %v", sig, err)
			}
			return
		}
		checkComplete(t, sig, common.Hash(digest), [65]byte(pinned))
	})
}

// FuzzCompleteOfAnySignature signs with a key and digest of the fuzzer's
// choice: what it makes of them must always be completed, whatever half s is in.
func FuzzCompleteOfAnySignature(f *testing.F) {
	f.Add([]byte("key"), []byte("digest"), true)
	f.Add([]byte{}, []byte{}, false)
	f.Fuzz(func(t *testing.T, seed, message []byte, high bool) {
		key, public := testKey(t, string(seed))
		digest := crypto.Keccak256Hash(message)
		signed, err := crypto.Sign(digest[:], key)
		if err != nil {
			t.Fatal(err)
		}
		rs := signed[:64]
		if high {
			rs = highS(signed)
		}
		sig, err := Complete(rs, digest, public)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(sig[:], signed) {
			t.Fatalf("got %x, want %x", sig, signed)
		}
	})
}

func FuzzPublicKey(f *testing.F) {
	_, public := testKey(f, "pinned")
	f.Add(public[1:33], public[33:])
	f.Add([]byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		point, err := PublicKey(x, y)
		if err != nil {
			return
		}
		if _, err := crypto.UnmarshalPubkey(point[:]); err != nil {
			t.Fatalf("%x is no public key: %v", point, err)
		}
		if !bytes.HasSuffix(point[1:33], x) || !bytes.HasSuffix(point[33:], y) {
			t.Fatalf("%x does not hold %x and %x", point, x, y)
		}
	})
}

func BenchmarkComplete(b *testing.B) {
	key, public := testKey(b, "benchmark")
	var digests [64]common.Hash // half of them have each recovery id
	var signatures [64][]byte
	for i := range digests {
		digests[i] = crypto.Keccak256Hash([]byte{byte(i)})
		signed, err := crypto.Sign(digests[i][:], key)
		if err != nil {
			b.Fatal(err)
		}
		signatures[i] = signed[:64]
	}
	for i := 0; b.Loop(); i++ {
		if _, err := Complete(signatures[i%64], digests[i%64], public); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecover is the second look that a service takes at each signature.
func BenchmarkRecover(b *testing.B) {
	key, _ := testKey(b, "benchmark")
	digest := crypto.Keccak256Hash([]byte("digest"))
	signed, err := crypto.Sign(digest[:], key)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := crypto.Ecrecover(digest[:], signed); err != nil {
			b.Fatal(err)
		}
	}
}
