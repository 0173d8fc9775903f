// Package passkeytest has a passkey in software, with a browser around it, for tests.
// Nothing else may use it: it signs whatever it is asked.
package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// Device is an authenticator with one key, and a browser around it.
type Device struct {
	Key     crypto.Signer // *ecdsa.PrivateKey, ed25519.PrivateKey or *rsa.PrivateKey
	ID      []byte
	Handle  []byte // of the person that it was enrolled for
	Counter uint32

	Origin string
	RPID   string
	Flags  byte // that it claims: [Present], [Verified]

	Client func(map[string]any) // changes what the browser says of itself; nil: nothing does
}

// The flags of authenticator data.
const (
	Present  = 1 << 0
	Verified = 1 << 2
	attested = 1 << 6
)

// New makes a device with an ES256 key, for a page of an origin.
func New(t testing.TB, origin, rpID string) *Device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id) // never fails
	return &Device{Key: key, ID: id, Origin: origin, RPID: rpID, Flags: Present | Verified}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// client is clientDataJSON for a challenge.
func (d *Device) client(t testing.TB, typ string, options json.RawMessage) []byte {
	t.Helper()
	var asked struct{ Challenge string }
	if err := json.Unmarshal(options, &asked); err != nil || asked.Challenge == "" {
		t.Fatalf("options %s, %v", options, err)
	}
	client := map[string]any{"type": typ, "challenge": asked.Challenge, "origin": d.Origin, "crossOrigin": false}
	if d.Client != nil {
		d.Client(client)
	}
	text, err := json.Marshal(client)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// data is authenticator data.
func (d *Device) data(flags byte) []byte {
	d.Counter++
	host := sha256.Sum256([]byte(d.RPID))
	return binary.BigEndian.AppendUint32(append(host[:], flags), d.Counter)
}

// Create answers navigator.credentials.create.
func (d *Device) Create(t testing.TB, options json.RawMessage) json.RawMessage {
	t.Helper()
	var asked struct{ User struct{ ID string } }
	if err := json.Unmarshal(options, &asked); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.Handle, err = base64.RawURLEncoding.DecodeString(asked.User.ID); err != nil || len(d.Handle) == 0 {
		t.Fatalf("user %q, %v", asked.User.ID, err)
	}
	cose := d.Public(t)
	data := append(d.data(d.Flags|attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(d.ID))) // #nosec G115 -- 32
	data = append(append(data, d.ID...), cose...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		t.Fatal(err)
	}
	return d.answer(t, map[string]any{"clientDataJSON": b64(d.client(t, "webauthn.create", options)), "attestationObject": b64(object)})
}

// Get answers navigator.credentials.get.
func (d *Device) Get(t testing.TB, options json.RawMessage) json.RawMessage {
	t.Helper()
	client, data := d.client(t, "webauthn.get", options), d.data(d.Flags)
	sum := sha256.Sum256(client)
	signed := append(append([]byte(nil), data...), sum[:]...)
	return d.answer(t, map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(d.sign(t, signed)), "userHandle": b64(d.Handle),
	})
}

// sign signs as the key does.
func (d *Device) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(message)
	var signature []byte
	var err error
	if key, ok := d.Key.(ed25519.PrivateKey); ok {
		signature = ed25519.Sign(key, message)
	} else {
		signature, err = d.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// Public is the public key, COSE.
func (d *Device) Public(t testing.TB) []byte {
	t.Helper()
	var cose map[int]any
	switch key := d.Key.Public().(type) {
	case *ecdsa.PublicKey:
		public, err := key.ECDH()
		if err != nil {
			t.Fatal(err)
		}
		point := public.Bytes()[1:]
		half := len(point) / 2
		algorithm, curve := -7, 1 // ES256
		if half != 32 {
			algorithm, curve = -35, 2 // ES384
		}
		cose = map[int]any{1: 2, 3: algorithm, -1: curve, -2: point[:half], -3: point[half:]}
	case ed25519.PublicKey:
		cose = map[int]any{1: 1, 3: -8, -1: 6, -2: []byte(key)}
	case *rsa.PublicKey:
		cose = map[int]any{1: 3, 3: -257, -1: key.N.Bytes(), -2: []byte{1, 0, 1}}
	default:
		t.Fatalf("a key of the type %T", key)
	}
	text, err := cbor.Marshal(cose)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (d *Device) answer(t testing.TB, response map[string]any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"id": b64(d.ID), "rawId": b64(d.ID), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
