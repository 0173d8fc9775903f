package passkey

import (
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/webauthn"
)

// FuzzDecodeCredential: a stored passkey is whole and at its own place, or none.
func FuzzDecodeCredential(f *testing.F) {
	good := credential{Version: recordVersion, Person: "alice", Credential: webauthn.Credential{ID: []byte{1}, PublicKey: []byte{2}}}
	text, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.key(), text)
	f.Add(credentialKey("bob", []byte{1}), text)
	f.Add(good.key(), append(text, text...))
	f.Add("", []byte(`{}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		c, err := decodeCredential(key, value)
		if err != nil {
			return
		}
		if c.key() != key || c.Version != recordVersion || len(c.Credential.ID) == 0 || len(c.Credential.PublicKey) == 0 {
			t.Errorf("%q is read as %+v", key, c)
		}
	})
}
