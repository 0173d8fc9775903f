package passkey_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math"
	"testing"

	"github.com/kvclef/kvclef/extapi/console/passkey"
	"github.com/kvclef/kvclef/rules/approval"
)

// signerOf makes a key, or ends the test.
func signerOf[K crypto.Signer](t *testing.T) func(K, error) crypto.Signer {
	t.Helper()
	return func(key K, err error) crypto.Signer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
}

// TestKinds: votes by each kind of key that is taken can be proved, and other kinds are
// not enrolled.
func TestKinds(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	for name, tt := range map[string]struct {
		key  crypto.Signer
		id   int // bytes
		good bool
	}{
		"ES256":        {device(t).Key, 32, true},
		"EdDSA":        {signerOf[ed25519.PrivateKey](t)(edwards, err), 32, true},
		"RS256":        {signerOf[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)), 32, true},
		"a long id":    {device(t).Key, 768, true},
		"too long":     {device(t).Key, 769, false},
		"ES384":        {signerOf[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), 32, false},
		"a short one":  {signerOf[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 1024)), 32, false},
		"an empty one": {device(t).Key, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, on := newDesk(t), device(t)
			on.Key, on.ID = tt.key, make([]byte, tt.id)
			_, _ = rand.Read(on.ID) // never fails
			token, _, err := d.NewToken(t.Context(), "alice")
			if err != nil {
				t.Fatal(err)
			}
			_, options, err := d.BeginEnrol(t.Context(), "b", token)
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.FinishEnrol(t.Context(), "b", "", on.Create(t, options))
			if !tt.good {
				if err == nil || !passkey.Told(err) || len(d.journal.events) > 0 {
					t.Errorf("%v, %+v", err, d.journal.events)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			cast, err := d.vote(t, on, ballot())
			if err != nil {
				t.Fatal(err)
			}
			d.proves(t, cast)
		})
	}
}

// TestCounters: a passkey that counts nothing is no copy, and one that goes back is.
func TestCounters(t *testing.T) {
	d, on := newDesk(t), device(t)
	zero := func() { on.Counter = math.MaxUint32 } // the next is 0
	zero()
	d.enrol(t, "alice", on)
	for range 2 {
		zero()
		if _, err := d.vote(t, on, ballot()); err != nil {
			t.Fatal(err)
		}
	}
	on.Counter = 9
	if _, err := d.vote(t, on, ballot()); err != nil {
		t.Fatal(err)
	}
	for _, before := range []uint32{9, 4, math.MaxUint32} {
		on.Counter = before
		if _, err := d.vote(t, on, ballot()); err == nil {
			t.Errorf("%d after 10 counts", before+1)
		}
	}
	on.Counter = 10
	if _, err := d.vote(t, on, ballot()); err != nil {
		t.Errorf("the true one: %v", err)
	}
}

// proves checks the proof of a ballot by what the journal says.
func (d *desk) proves(t *testing.T, cast approval.Ballot) {
	t.Helper()
	public, err := base64.RawURLEncoding.DecodeString(d.journal.events[0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	claim := passkey.Claim{Ticket: cast.Ticket, Hash: cast.Hash, Person: cast.Person, Approve: cast.Approve, Comment: cast.Comment}
	if err := passkey.Verify(cast.Proof, public, claim); err != nil {
		t.Errorf("not proved: %v", err)
	}
	claim.Comment += "."
	if err := passkey.Verify(cast.Proof, public, claim); err == nil {
		t.Error("another comment is proved")
	}
}
