package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi/issuertest"
)

// settled waits until nobody asks the issuer.
func (d *desk) settled() {
	d.t.Helper()
	d.tokens.issuer.keys.running.Wait()
}

// TestKeysRotate: a new key is found, and an old one is forgotten.
func TestKeysRotate(t *testing.T) {
	d := newDesk(t, nil)
	old := d.signed(firstKey, nil)
	d.takes(old, "batcher")
	if _, err := d.issuer.Rotate("second"); err != nil {
		t.Fatal(err)
	}
	d.denies(d.signed("second", nil), "no key of the id") // the issuer was asked a moment ago
	d.clock.at = d.clock.at.Add(askAgain)
	d.takes(d.signed("second", nil), "batcher")
	d.denies(old, "no key of the id")
}

// TestKeysAreRefreshed: a key that was taken out of the set stops counting, while
// tokens of it come.
func TestKeysAreRefreshed(t *testing.T) {
	d := newDesk(t, nil)
	d.takes(d.signed(firstKey, nil), "batcher")
	stolen := d.key(firstKey)
	if _, err := d.issuer.Rotate("second"); err != nil {
		t.Fatal(err)
	}
	d.clock.at = d.clock.at.Add(keysFresh)
	token := func() string {
		return made(t, methodOf(stolen), map[string]any{"kid": firstKey}, d.claims(nil), stolen)
	}
	d.takes(token(), "batcher") // nobody waits for the answer
	d.settled()
	d.denies(token(), "no key of the id")
}

// TestKeysThatNobodyAskedFor: a key that was withdrawn while no tokens came does not count
// when they come again, for any of them.
func TestKeysThatNobodyAskedFor(t *testing.T) {
	d := newDesk(t, nil)
	d.takes(d.signed(firstKey, nil), "batcher")
	stolen := d.key(firstKey)
	if _, err := d.issuer.Rotate("second"); err != nil {
		t.Fatal(err)
	}
	d.clock.at = d.clock.at.Add(22 * time.Hour)
	bad, good := made(t, methodOf(stolen), map[string]any{"kid": firstKey}, d.claims(nil), stolen), d.signed("second", nil)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if name, _, err := d.tokens.Identify(t.Context(), sent(bad)); err == nil {
				t.Errorf("%q is taken by a key that was withdrawn", name)
			}
			if name, _, err := d.tokens.Identify(t.Context(), sent(good)); err != nil || name != "batcher" {
				t.Errorf("%q, %v", name, err)
			}
		})
	}
	all.Wait()
	d.settled()
	if asked := d.issuer.Asked(issuertest.KeysPath); asked != 2 {
		t.Errorf("the keys were asked for %d times", asked)
	}
}

// TestNobodyWaitsWhileTheIssuerIsDown: the first token learns that no answer comes; those
// after it have the keys that are known, while the issuer is asked again.
func TestNobodyWaitsWhileTheIssuerIsDown(t *testing.T) {
	d := newDesk(t, nil)
	hangs := make(chan struct{}, 1)
	d.issuer.Mux.HandleFunc("GET /hangs", func(_ http.ResponseWriter, r *http.Request) {
		hangs <- struct{}{}
		<-r.Context().Done()
	})
	d.takes(d.signed(firstKey, nil), "batcher")
	d.issuer.Down(true)
	d.clock.at = d.clock.at.Add(keysLate)
	d.takes(d.signed(firstKey, nil), "batcher")
	d.settled()
	d.issuer.Down(false)
	d.issuer.Tell("jwks_uri", d.issuer.URL+"/hangs")
	d.clock.at = d.clock.at.Add(askAgain)
	ctx, cancel := context.WithTimeout(t.Context(), askTimeout/2)
	defer cancel()
	for range 3 {
		if name, _, err := d.tokens.Identify(ctx, sent(d.signed(firstKey, nil))); err != nil || name != "batcher" {
			t.Errorf("%q, %v", name, err)
		}
	}
	<-hangs // it was asked meanwhile
}

// TestIssuerIsDown: known keys go on counting for a day, and no longer.
func TestIssuerIsDown(t *testing.T) {
	d := newDesk(t, nil)
	d.takes(d.signed(firstKey, nil), "batcher")
	d.issuer.Down(true)
	d.clock.at = d.clock.at.Add(keysLast - time.Second)
	d.takes(d.signed(firstKey, nil), "batcher")
	d.settled()
	d.clock.at = d.clock.at.Add(askAgain)
	d.denies(d.signed(firstKey, nil), "not known")
	d.denies(d.signed(firstKey, nil), "not known")
	d.issuer.Down(false)
	d.clock.at = d.clock.at.Add(askAgain)
	d.takes(d.signed(firstKey, nil), "batcher")
	d.settled()
	if log := d.log.String(); strings.Count(log, "not read") != 2 || strings.Count(log, `msg="Keys of the issuer of tokens read"`) != 1 {
		t.Error(log)
	}
}

// TestFewWaitForUnknownKeys: while the issuer hangs a few tokens wait whose keys are not known, and
// none in the minute after it gave no answer: anybody can make them up.
func TestFewWaitForUnknownKeys(t *testing.T) {
	d := newDesk(t, nil)
	hangs := make(chan struct{}, 2)
	d.issuer.Mux.HandleFunc("GET /hangs", func(_ http.ResponseWriter, r *http.Request) {
		hangs <- struct{}{}
		<-r.Context().Done()
	})
	d.takes(d.signed(firstKey, nil), "batcher")
	d.issuer.Tell("jwks_uri", d.issuer.URL+"/hangs")
	d.clock.at = d.clock.at.Add(askAgain)
	junk := made(t, methodOf(d.key(firstKey)), map[string]any{"kid": "nobody"}, d.claims(nil), d.key(firstKey))
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	told := make(chan struct{}, 4*maxWaiting)
	for range 4 * maxWaiting {
		go func() {
			if _, _, err := d.tokens.Identify(ctx, sent(junk)); err == nil {
				t.Error("a token with an unknown key is taken")
			}
			told <- struct{}{}
		}()
	}
	<-hangs
	for range 3 * maxWaiting {
		<-told
	}
	d.takes(d.signed(firstKey, nil), "batcher")
	select {
	case <-told:
		t.Errorf("fewer than %d wait", maxWaiting)
	default:
	}
	hangUp()
	for range maxWaiting {
		<-told
	}
	keys := d.tokens.issuer.keys
	keys.mu.Lock()
	if keys.waiting != 0 {
		t.Errorf("%d places are taken by nobody", keys.waiting)
	}
	keys.cancel() // as its timeout does
	keys.mu.Unlock()
	d.settled()
	d.clock.at = d.clock.at.Add(askAgain)
	d.denies(junk, "no key of the id")
	<-hangs // it was asked meanwhile
	d.denies(junk, "no key of the id")
}

// TestUnknownKeysAreAskedForOnce: whoever sends many key ids doesn't make the issuer
// answer as often, and those who have a known one are not held up.
func TestUnknownKeysAreAskedForOnce(t *testing.T) {
	d := newDesk(t, nil)
	good := d.signed(firstKey, nil)
	d.takes(good, "batcher")
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	d.clock.at = d.clock.at.Add(askAgain)
	bad := made(t, methodOf(other), map[string]any{"kid": "unknown"}, d.claims(nil), other)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if name, _, err := d.tokens.Identify(t.Context(), sent(bad)); err == nil {
				t.Errorf("%q is taken", name)
			}
			if name, _, err := d.tokens.Identify(t.Context(), sent(good)); err != nil || name != "batcher" {
				t.Errorf("%q, %v", name, err)
			}
		})
	}
	all.Wait()
	if asked := d.issuer.Asked(issuertest.KeysPath); asked != 2 {
		t.Errorf("the keys were asked for %d times", asked)
	}
}

// TestFirstTokensWaitTogether: nobody is turned away because the keys are just being
// read.
func TestFirstTokensWaitTogether(t *testing.T) {
	d := newDesk(t, nil)
	good := d.signed(curveKey, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if name, _, err := d.tokens.Identify(t.Context(), sent(good)); err != nil || name != "batcher" {
				t.Errorf("%q, %v", name, err)
			}
		})
	}
	all.Wait()
	if asked := d.issuer.Asked(issuertest.KeysPath); asked != 1 {
		t.Errorf("the keys were asked for %d times", asked)
	}
}

// TestCloseWhileAsking: the end waits for no issuer, and after it none is asked.
func TestCloseWhileAsking(t *testing.T) {
	hangs := make(chan struct{})
	d := newDesk(t, nil)
	d.issuer.Mux.HandleFunc("GET /hangs", func(_ http.ResponseWriter, r *http.Request) {
		close(hangs)
		<-r.Context().Done()
	})
	d.issuer.Tell("jwks_uri", d.issuer.URL+"/hangs")
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.denies(d.signed(firstKey, nil), "not known")
	}()
	<-hangs
	d.tokens.Close()
	<-done
	d.clock.at = d.clock.at.Add(keysLast)
	d.denies(d.signed(firstKey, nil), "not known")
}

// TestHostileIssuers: an issuer, or who stands between, can't fill the memory, lead
// elsewhere or be another.
func TestHostileIssuers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *desk)
		log    string
	}{
		"other name":     {func(d *desk) { d.issuer.Tell("issuer", "https://elsewhere.example") }, "calls itself"},
		"keys in clear":  {func(d *desk) { d.issuer.Tell("jwks_uri", "http://"+d.issuer.Listener.Addr().String()+"/keys") }, "no https URL of its keys"},
		"no keys' place": {func(d *desk) { d.issuer.Tell("jwks_uri", nil) }, "no https URL of its keys"},
		"long answer":    {func(d *desk) { d.issuer.Pad(maxAnswer) }, "has more than"},
		"redirect":       {func(d *desk) { d.issuer.Tell("jwks_uri", d.issuer.URL+"/moved") }, "redirects"},
		"not JSON":       {func(d *desk) { d.issuer.Tell("jwks_uri", d.issuer.URL+"/page") }, "not the JSON"},
		"nothing there":  {func(d *desk) { d.issuer.Tell("jwks_uri", d.issuer.URL+"/none") }, "answers 404"},
		"no key":         {func(d *desk) { d.issuer.Tell("jwks_uri", d.issuer.URL+"/empty") }, "no key that can verify"},
		"too many keys":  {func(d *desk) { d.issuer.Tell("jwks_uri", d.issuer.URL+"/many") }, "more than 256"},
		"not an authority": {func(d *desk) {
			d.tokens.issuer.keys.source.client.Transport = http.DefaultTransport.(*http.Transport).Clone()
		}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			d.issuer.Mux.Handle("GET /moved", http.RedirectHandler(d.issuer.URL+"/keys", http.StatusFound))
			for path, text := range map[string]string{"/page": "<html>", "/empty": `{"keys":[]}`, "/many": `{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`} {
				d.issuer.Mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
			}
			c.change(d)
			d.denies(d.signed(firstKey, nil), "not known")
			d.settled()
			if !strings.Contains(d.log.String(), c.log) {
				t.Error(d.log.String())
			}
		})
	}
}

// TestKeysThatVerifyNothing: keys for other ends, weak ones and secrets are passed over.
func TestKeysThatVerifyNothing(t *testing.T) {
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	base := func(change map[string]string) map[string]string {
		jwk := issuertest.JWK("k", strong.Public())
		for name, value := range change {
			jwk[name] = value
		}
		return jwk
	}
	for name, c := range map[string]struct {
		jwk  any
		good bool
	}{
		"good":             {base(nil), true},
		"no use, no alg":   {base(map[string]string{"use": "", "alg": ""}), true},
		"for encryption":   {base(map[string]string{"use": "enc"}), false},
		"other algorithm":  {base(map[string]string{"alg": "RS512"}), false},
		"even exponent":    {base(map[string]string{"e": "BA"}), false},
		"exponent 1":       {base(map[string]string{"e": "AQ"}), false},
		"short modulus":    {base(map[string]string{"n": base(nil)["n"][:100]}), false},
		"long modulus":     {base(map[string]string{"n": strings.Repeat(base(nil)["n"], 5)}), false},
		"symmetric":        {map[string]string{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}, false},
		"other curve":      {issuertest.JWK("k", curve.Public()), false},
		"not on the curve": {map[string]string{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ", "kid": "k"}, false},
		"private":          {map[string]string{"kty": "RSA", "n": base(nil)["n"], "e": "AQAB", "d": "AQ", "kid": "k"}, false},
		"text":             {"key", false},
		"null":             {nil, false},
	} {
		text, err := json.Marshal(c.jwk)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := readKey(text); ok != c.good {
			t.Errorf("%s: %v", name, ok)
		}
	}
}
