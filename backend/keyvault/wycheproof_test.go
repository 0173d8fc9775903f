package keyvault

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// TestWycheproofPoints: points off the curve, at infinity and of other curves are
// no accounts, whatever the vault that answers with them calls them.
func TestWycheproofPoints(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/wycheproof/points.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		ID        int
		Comment   string
		Flags     []string
		Crv, X, Y string
		Valid     bool
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	accounts, refused := 0, 0
	for _, v := range vectors {
		for _, crv := range []string{v.Crv, "P-256K", "SECP256K1"} {
			// One of those of other curves is a point of this one, too.
			if crv != v.Crv && slices.Contains(v.Flags, "WrongCurve") {
				continue
			}
			text, err := json.Marshal(map[string]any{
				"key": map[string]any{
					"kid": "https://v.vault.azure.net/keys/one/0123456789abcdef0123456789abcdef", "kty": "EC",
					"crv": crv, "x": v.X, "y": v.Y, "key_ops": []string{"sign"},
				},
				"attributes": map[string]any{"enabled": true},
			})
			if err != nil {
				t.Fatal(err)
			}
			var bundle azkeys.KeyBundle
			if err := json.Unmarshal(text, &bundle); err != nil {
				t.Fatal(err)
			}
			e, skipped := newEntry("v", identifier{name: "one"}, bundle, false, time.Unix(1_790_000_000, 0))
			if (e != nil) != v.Valid || (skipped == nil) != v.Valid {
				t.Errorf("%d (%s) as %s: got %v, %v", v.ID, v.Comment, crv, e, skipped)
			}
			if e != nil {
				accounts++
			} else {
				refused++
			}
		}
	}
	if len(vectors) != 72 || accounts == 0 || refused < 20 {
		t.Errorf("%d vectors: %d accounts, %d refused", len(vectors), accounts, refused)
	}
}
