package admin

import (
	"encoding/json"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// FuzzParseAttestation: an attestation that is taken says of what and when, and one
// that names a key is signed by it.
func FuzzParseAttestation(f *testing.F) {
	hash := "0x" + common.Bytes2Hex(append([]byte{1}, make([]byte, 31)...))
	for _, text := range []string{
		`{"sha256":"` + hash + `","time":"2026-01-02T03:04:05Z"}`,
		`{"sha256":"` + hash + `","time":"2026-01-02T03:04:05Z","kind":"policy","key":"0x0000000000000000000000000000000000000001","signature":"0x00"}`,
		`{"sha256":"` + hash + `","time":"2026-01-02T03:04:05Z","signature":"0x00"}`, `{}`, `null`, `{"sha256":null}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAttestation(body)
		if err != nil {
			return
		}
		if a.SHA256 == (common.Hash{}) || a.Time.IsZero() || a.Key == nil && len(a.Signature) > 0 {
			t.Errorf("%+v is taken", a)
		}
		if a.Key != nil && a.Verify(*a.Key) != nil {
			t.Errorf("%+v is taken, and not signed", a)
		}
		if _, err := json.Marshal(a); err != nil {
			t.Error(err)
		}
	})
}
