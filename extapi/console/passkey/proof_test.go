package passkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi/console/passkey"
	"github.com/kvclef/kvclef/extapi/console/passkey/passkeytest"
)

// proofOf makes a proof of a claim as a console would that asks for nothing and checks
// nothing.
func proofOf(t testing.TB, on *passkeytest.Device, claim passkey.Claim, nonce []byte) passkey.Proof {
	t.Helper()
	challenge := passkey.Challenge(claim, nonce)
	options, err := json.Marshal(map[string]string{"challenge": b64(challenge[:])})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Response struct{ ClientDataJSON, AuthenticatorData, Signature string }
	}
	if err := json.Unmarshal(on.Get(t, options), &answer); err != nil {
		t.Fatal(err)
	}
	r := answer.Response
	return passkey.Proof{
		Credential: b64(on.ID), RPID: on.RPID, Nonce: b64(nonce), AuthenticatorData: r.AuthenticatorData, ClientData: r.ClientDataJSON, Signature: r.Signature,
	}
}

func textOf(t testing.TB, proof passkey.Proof) []byte {
	t.Helper()
	text, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func someClaim() passkey.Claim {
	return passkey.Claim{Ticket: "abcdefgh234567ab", Hash: common.Hash{7}, Person: "alice", Approve: true, Comment: "as agreed"}
}

// TestVerify: a signature by the right key proves nothing that was not asked of a person
// at the console.
func TestVerify(t *testing.T) {
	nonce := bytes.Repeat([]byte{9}, 16)
	for name, tt := range map[string]struct {
		device func(*passkeytest.Device)
		proof  func(*passkey.Proof)
		nonce  []byte
		want   string // "": it proves the claim
	}{
		"as it is":       {},
		"another port":   {device: func(on *passkeytest.Device) { on.Origin = "https://localhost:1" }},
		"not verified":   {device: func(on *passkeytest.Device) { on.Flags = passkeytest.Present }, want: "did not verify"},
		"nobody there":   {device: func(on *passkeytest.Device) { on.Flags = passkeytest.Verified }, want: "did not verify"},
		"a page below":   {device: func(on *passkeytest.Device) { on.Origin = "http://evil.localhost:8551" }, want: "not of"},
		"another site":   {device: func(on *passkeytest.Device) { on.Origin = "https://evil.example" }, want: "not of"},
		"no site":        {device: func(on *passkeytest.Device) { on.Origin = "null" }, want: "not of"},
		"an app":         {device: func(on *passkeytest.Device) { on.Origin = "android:apk-key-hash:localhost" }, want: "not of"},
		"another scheme": {device: func(on *passkeytest.Device) { on.Origin = "ftp://localhost" }, want: "not of"},
		"another kind of key": {device: func(on *passkeytest.Device) {
			key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			on.Key = key
		}, want: "none of ES256, EdDSA and RS256"},
		"a bad origin":    {device: func(on *passkeytest.Device) { on.Origin = "http://[::1" }, want: "origin"},
		"within a page":   {device: func(on *passkeytest.Device) { on.Client = func(c map[string]any) { c["crossOrigin"] = true } }, want: "within another page"},
		"an enrolment":    {device: func(on *passkeytest.Device) { on.Client = func(c map[string]any) { c["type"] = "webauthn.create" } }, want: "of the type"},
		"no challenge":    {device: func(on *passkeytest.Device) { on.Client = func(c map[string]any) { delete(c, "challenge") } }, want: "another vote"},
		"another host":    {proof: func(p *passkey.Proof) { p.RPID = "example.com" }, want: "not of"},
		"host of the key": {device: func(on *passkeytest.Device) { on.RPID = "example.com" }, proof: func(p *passkey.Proof) { p.RPID = "localhost" }, want: "not asked for this host"},
		"a short nonce":   {nonce: nonce[:15], want: "nonce"},
		"another nonce":   {proof: func(p *passkey.Proof) { p.Nonce = b64(make([]byte, 16)) }, want: "another vote"},
		"no signature":    {proof: func(p *passkey.Proof) { p.Signature = "" }, want: "signature"},
		"no data":         {proof: func(p *passkey.Proof) { p.AuthenticatorData = "" }, want: "host"},
		"padded":          {proof: func(p *passkey.Proof) { p.Nonce += "==" }, want: "decoding"},
	} {
		t.Run(name, func(t *testing.T) {
			on, asked := device(t), nonce
			if tt.device != nil {
				tt.device(on)
			}
			if tt.nonce != nil {
				asked = tt.nonce
			}
			proof := proofOf(t, on, someClaim(), asked)
			if tt.proof != nil {
				tt.proof(&proof)
			}
			err := passkey.Verify(textOf(t, proof), on.Public(t), someClaim())
			if (tt.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestParseProof: a proof has one spelling.
func TestParseProof(t *testing.T) {
	on := device(t)
	good := string(textOf(t, proofOf(t, on, someClaim(), make([]byte, 16))))
	for name, text := range map[string]string{
		"empty":          "",
		"space":          good + " ",
		"more":           good + "{}",
		"a new member":   strings.Replace(good, "{", `{"more":"",`, 1),
		"another case":   strings.Replace(good, `"nonce"`, `"Nonce"`, 1),
		"twice":          strings.Replace(good, "{", `{"credential":"x",`, 1),
		"escaped":        strings.Replace(good, "nonce", `non\u0063e`, 1),
		"too long":       strings.Replace(good, `"rp_id":"`, `"rp_id":"`+strings.Repeat("a", 8<<10), 1),
		"null":           "null",
		"something else": `["credential"]`,
	} {
		if text == good {
			t.Errorf("%s: nothing is changed", name)
		}
		if _, err := passkey.ParseProof([]byte(text)); err == nil {
			t.Errorf("%s is a proof", name)
		}
	}
	if _, err := passkey.ParseProof([]byte(good)); err != nil {
		t.Error(err)
	}
}

// FuzzVerify: no text proves a claim but the one that was made for it, whatever else is
// put into the place of its parts. Only which passkey it names is told by the key.
func FuzzVerify(f *testing.F) {
	on := passkeytest.New(f, testOrigin, "localhost")
	on.Key, on.ID = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), make([]byte, 32) // the same in each process
	public, nonce := on.Public(f), make([]byte, 16)
	made := proofOf(f, on, someClaim(), nonce)
	f.Add(textOf(f, made), public)
	f.Add([]byte(`{"credential":"","rp_id":"","nonce":"","authenticator_data":"","client_data":"bnVsbA","signature":""}`), []byte{0xa0})
	weak := *on
	weak.Flags = 0
	f.Add(textOf(f, proofOf(f, &weak, someClaim(), nonce)), public)
	f.Fuzz(func(t *testing.T, text, key []byte) {
		other := someClaim()
		other.Ticket = "bbcdefgh234567ab"
		if err := passkey.Verify(text, key, other); err == nil {
			t.Fatalf("%s proves what nobody has claimed", text)
		}
		if err := passkey.Verify(text, key, someClaim()); err != nil {
			return
		}
		proof, err := passkey.ParseProof(text)
		if err != nil {
			t.Fatal(err)
		}
		if proof.Credential = made.Credential; *proof != made {
			t.Errorf("%s is proved", text)
		}
	})
}
