package identity

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/kvclef/kvclef/extapi/issuertest"
)

// TestTokensWaitAgain for keys that are not known, when the issuer has answered again, and
// when its last failure is long ago.
func TestTokensWaitAgain(t *testing.T) {
	d := newDesk(t, nil)
	pass := func(wait time.Duration) { d.clock.at = d.clock.at.Add(wait) }
	rotated := func(kid string) string {
		if _, err := d.issuer.Rotate(kid); err != nil {
			t.Fatal(err)
		}
		return d.signed(kid, nil)
	}
	junk := made(t, methodOf(d.key(firstKey)), map[string]any{"kid": "nobody"}, d.claims(nil), d.key(firstKey))
	fail := func() {
		pass(askAgain)
		d.issuer.Down(true)
		d.denies(junk, "no key of the id")
		d.settled()
		d.issuer.Down(false)
	}
	d.takes(d.signed(firstKey, nil), "batcher")
	fail()
	pass(askAgain)
	second := rotated("second")
	// The issuer gave no answer a moment ago, and is asked again meanwhile.
	if name, _, err := d.tokens.Identify(t.Context(), sent(second)); err == nil {
		t.Errorf("%q is taken by a key that is not known", name)
	}
	d.settled()
	d.takes(second, "batcher")
	pass(askAgain)
	d.takes(rotated("third"), "batcher") // it has answered since
	fail()
	pass(noAnswer)
	d.takes(rotated("fourth"), "batcher")
}

// TestWhoHangsUpEndsNoQuestion: others wait for the same answer, and nobody is to keep them
// from it.
func TestWhoHangsUpEndsNoQuestion(t *testing.T) {
	d := newDesk(t, nil)
	asked, answer := make(chan struct{}), make(chan struct{})
	d.issuer.Mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		r.URL.Path = issuertest.KeysPath
		d.issuer.Mux.ServeHTTP(w, r)
	})
	d.issuer.Tell("jwks_uri", d.issuer.URL+"/slow")
	good := d.signed(firstKey, nil)
	ctx, hangUp := context.WithCancel(t.Context())
	told := make(chan error)
	go func() {
		_, _, err := d.tokens.Identify(ctx, sent(good))
		told <- err
	}()
	<-asked
	hangUp()
	if err := <-told; err == nil {
		t.Error("taken without keys")
	}
	close(answer)
	d.takes(good, "batcher")
}

// TestTokensWithoutAChoice: a token that names no key is verified by the only one of its
// algorithm, and one whose id many keys have by none.
func TestTokensWithoutAChoice(t *testing.T) {
	keys := []key{{id: "a", algorithm: jose.RS256, public: 1}, {id: "b", algorithm: jose.ES256, public: 2}}
	if got := pick(keys, "", jose.RS256); !slices.Equal(got, []any{1}) {
		t.Errorf("of one: %v", got)
	}
	if got := pick(append(keys, key{id: "c", algorithm: jose.RS256, public: 3}), "", jose.RS256); got != nil {
		t.Errorf("of two: %v", got)
	}
	same := slices.Repeat([]key{{id: "a", algorithm: jose.RS256, public: 1}}, maxSameID)
	if got := pick(same, "a", jose.RS256); len(got) != maxSameID {
		t.Errorf("of %d with one id: %v", maxSameID, got)
	}
	if got := pick(append(same, same[0]), "a", jose.RS256); got != nil {
		t.Errorf("of %d with one id: %v", maxSameID+1, got)
	}
}
