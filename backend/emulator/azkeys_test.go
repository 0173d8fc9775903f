package emulator_test

import (
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
)

func digestOf(text string) []byte {
	d := sha256.Sum256([]byte(text))
	return d[:]
}

// TestUnmodifiedClient drives both flavors with azkeys and azidentity under
// genuine host names, none of their checks switched off.
func TestUnmodifiedClient(t *testing.T) {
	for _, tc := range []struct {
		name   string
		flavor emulator.Flavor
		kty    azkeys.KeyType
	}{
		{"vault", emulator.KeyVault, azkeys.KeyTypeEC},
		{"managed HSM", emulator.ManagedHSM, azkeys.KeyTypeECHSM},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "treasury", Flavor: tc.flavor}}})
			c := azClient(t, s, "treasury")
			ctx := t.Context()

			created, err := c.CreateKey(ctx, "payments", azkeys.CreateKeyParameters{
				Kty: to.Ptr(azkeys.KeyTypeEC), Curve: to.Ptr(azkeys.CurveNameP256K),
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if *created.Key.Kty != tc.kty || *created.Key.Crv != azkeys.CurveNameP256K {
				t.Errorf("created %s on %s", *created.Key.Kty, *created.Key.Crv)
			}
			for _, version := range []string{"", created.Key.KID.Version()} {
				answer, err := c.Sign(ctx, "payments", version, azkeys.SignParameters{
					Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256K), Value: digestOf("plaintext"),
				}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if *answer.KID != *created.Key.KID {
					t.Errorf("signed by %s, not %s", *answer.KID, *created.Key.KID)
				}
				verified, err := c.Verify(ctx, "payments", version, azkeys.VerifyParameters{
					Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256K), Digest: digestOf("plaintext"), Signature: answer.Result,
				}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !*verified.Value {
					t.Error("the signature does not verify")
				}
			}
			if n := s.Count(emulator.OpSign); n != 2 {
				t.Errorf("%d sign requests", n)
			}
			if n := s.Count(emulator.OpToken); n != 1 {
				t.Errorf("%d token requests", n)
			}
			if n := s.Count(emulator.OpChallenge); n != 1 {
				t.Errorf("%d challenges", n)
			}
		})
	}
}

// TestSignaturesAreNotNormalised needs both halves of s, as the service gives them.
func TestSignaturesAreNotNormalised(t *testing.T) {
	s := start(t, emulator.Options{})
	key, err := s.CreateKey("dev", "k")
	if err != nil {
		t.Fatal(err)
	}
	c := azClient(t, s, "dev")
	half := new(big.Int).Rsh(crypto.S256().Params().N, 1)
	high := 0
	const rounds = 100 // all on one side: once in 2^99 runs
	for range rounds {
		answer, err := c.Sign(t.Context(), "k", key.Version, azkeys.SignParameters{
			Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256K), Value: digestOf("x"),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if new(big.Int).SetBytes(answer.Result[32:]).Cmp(half) > 0 {
			high++
		}
	}
	if high == 0 || high == rounds {
		t.Errorf("%d of %d signatures have a high s", high, rounds)
	}
}
