package passkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// device is an authenticator with one ES256 key, and a browser around it.
type device struct {
	key     *ecdsa.PrivateKey
	id      []byte
	handle  []byte
	counter uint32

	origin string
	rpID   string
	flags  byte // of assertions
}

// The flags of authenticator data.
const (
	present  = 1 << 0
	verified = 1 << 2
	attested = 1 << 6
)

func newDevice(t *testing.T) *device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id) // never fails
	return &device{key: key, id: id, origin: testOrigin, rpID: "localhost", flags: present | verified}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// client is clientDataJSON for a challenge.
func (d *device) client(t *testing.T, typ string, options json.RawMessage) []byte {
	t.Helper()
	var asked struct{ Challenge string }
	if err := json.Unmarshal(options, &asked); err != nil || asked.Challenge == "" {
		t.Fatalf("options %s, %v", options, err)
	}
	text, err := json.Marshal(map[string]any{"type": typ, "challenge": asked.Challenge, "origin": d.origin, "crossOrigin": false})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// data is authenticator data.
func (d *device) data(flags byte) []byte {
	d.counter++
	host := sha256.Sum256([]byte(d.rpID))
	return binary.BigEndian.AppendUint32(append(host[:], flags), d.counter)
}

// create answers navigator.credentials.create.
func (d *device) create(t *testing.T, options json.RawMessage) json.RawMessage {
	t.Helper()
	var asked struct{ User struct{ ID string } }
	if err := json.Unmarshal(options, &asked); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.handle, err = base64.RawURLEncoding.DecodeString(asked.User.ID); err != nil || len(d.handle) == 0 {
		t.Fatalf("user %q, %v", asked.User.ID, err)
	}
	public, err := d.key.PublicKey.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	point := public.Bytes()[1:]
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[:32], -3: point[32:]})
	if err != nil {
		t.Fatal(err)
	}
	data := append(d.data(d.flags|attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(d.id))) // #nosec G115 -- 32
	data = append(append(data, d.id...), cose...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		t.Fatal(err)
	}
	return d.answer(t, map[string]any{"clientDataJSON": b64(d.client(t, "webauthn.create", options)), "attestationObject": b64(object)})
}

// get answers navigator.credentials.get.
func (d *device) get(t *testing.T, options json.RawMessage) json.RawMessage {
	t.Helper()
	client, data := d.client(t, "webauthn.get", options), d.data(d.flags)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte(nil), data...), sum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return d.answer(t, map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(d.handle),
	})
}

func (d *device) answer(t *testing.T, response map[string]any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"id": b64(d.id), "rawId": b64(d.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
