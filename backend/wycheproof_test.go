package backend

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

// TestWycheproofSignatures: what a valid signature of the vectors is made of is
// an Ethereum signature, and no invalid one is. The exceptions are Ethereum's own:
// its recovery id can't tell that r was above the order.
func TestWycheproofSignatures(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/wycheproof/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		ID                           int
		Comment, PublicKey, Msg, Sig string
		Valid                        bool
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	completed, overflown, refused, high := 0, 0, 0, 0
	for _, v := range vectors {
		public := [65]byte(unhex(t, v.PublicKey))
		rs, digest := unhex(t, v.Sig), sha256.Sum256(unhex(t, v.Msg))
		sig, err := Complete(rs, digest, public)
		switch {
		case err == nil && !v.Valid:
			t.Errorf("%d (%s): an invalid signature was completed", v.ID, v.Comment)
		case err == nil:
			checkComplete(t, sig, digest, public)
			completed++
			if isHigh(rs[32:]) {
				high++
			}
		case !errors.Is(err, ErrNotOurSignature) || sig != (Signature{}):
			t.Errorf("%d (%s): got %x, %v", v.ID, v.Comment, sig, err)
		case v.Valid:
			if !rOverflowed(rs, digest[:], public) {
				t.Errorf("%d (%s): a valid signature was refused", v.ID, v.Comment)
			}
			overflown++
		default:
			refused++
		}
	}
	// That nothing is skipped: the numbers are the vectors'.
	if len(vectors) != 252 || completed+overflown != 167 || refused != 85 || overflown == 0 || high == 0 {
		t.Errorf("%d vectors: %d completed (%d of them with a high s), %d with an overflown r, %d refused",
			len(vectors), completed, high, overflown, refused)
	}
}

// rOverflowed tells whether r‖s is valid with recovery id 2 or 3.
func rOverflowed(rs, digest []byte, public [65]byte) bool {
	for id := byte(2); id <= 3; id++ {
		if recovered, err := crypto.Ecrecover(digest, append(bytes.Clone(rs), id)); err == nil && bytes.Equal(recovered, public[:]) {
			return true
		}
	}
	return false
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	out, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPublicKeyIsCanonical: a coordinate that is not below the field's prime
// would have an address that no signature recovers to.
func TestPublicKeyIsCanonical(t *testing.T) {
	t.Parallel()
	prime := crypto.S256().Params().P
	tried := 0
	for x := int64(1); tried < 5 && x < 1000; x++ {
		y := new(big.Int).Exp(big.NewInt(x), big.NewInt(3), prime)
		y.Add(y, big.NewInt(7))
		if y.ModSqrt(y, prime) == nil {
			continue
		}
		tried++
		point := func(x *big.Int) error {
			_, err := PublicKey(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32)))
			return err
		}
		if err := point(big.NewInt(x)); err != nil {
			t.Errorf("x = %d: %v", x, err)
		}
		if err := point(new(big.Int).Add(prime, big.NewInt(x))); err == nil {
			t.Errorf("x = p + %d is taken", x)
		}
	}
	if tried < 5 {
		t.Fatal("no points to try")
	}
}
