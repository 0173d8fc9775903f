package keyvault

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

// TestOnlyThePinnedVersionSigns: an answer must say that the version signed that was
// asked, whatever the signature is.
func TestOnlyThePinnedVersionSigns(t *testing.T) {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("treasury")))
	if err != nil {
		t.Fatal(err)
	}
	digest := crypto.Keccak256Hash([]byte("digest"))
	signed, err := crypto.Sign(digest[:], key)
	if err != nil {
		t.Fatal(err)
	}
	e := &entry{account: backend.Account{Key: "treasury", Version: someVersion, PublicKey: [65]byte(crypto.FromECDSAPub(&key.PublicKey))}}
	const host = "https://kv-prod.vault.azure.net/keys/"
	for kid, good := range map[string]bool{
		host + "treasury/" + someVersion:                  true,
		host + "Treasury/" + strings.ToUpper(someVersion): true,
		host + "other/" + someVersion:                     false,
		host + "treasury/" + strings.Repeat("0", 32):      false,
		host + "treasury":                                 false,
		"treasury":                                        false,
		"":                                                false,
	} {
		signature, err := e.check(azkeys.KeyOperationResult{KID: to.Ptr(azkeys.ID(kid)), Result: signed[:64]}, digest)
		if (err == nil) != good || good != (signature != backend.Signature{}) {
			t.Errorf("%q: %x, %v", kid, signature, err)
		}
	}
	if signature, err := e.check(azkeys.KeyOperationResult{Result: signed[:64]}, digest); err == nil || signature != (backend.Signature{}) {
		t.Errorf("a key that is not named: %x, %v", signature, err)
	}
}

// inTurn answers requests to sign, which the vault has done, with one status after the
// other, in the service's own words.
type inTurn struct {
	base     http.RoundTripper
	statuses []int
}

func (i *inTurn) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := i.base.RoundTrip(req)
	if err != nil || !strings.HasSuffix(req.URL.Path, "/sign") || len(i.statuses) == 0 {
		return resp, err
	}
	err = resp.Body.Close()
	resp.StatusCode, i.statuses = i.statuses[0], i.statuses[1:]
	body := errorBody("Odd", "", "x")
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return resp, err
}

// TestOneUncertainAttemptIsEnough: what one attempt may have had signed, no refusal of
// another one takes back.
func TestOneUncertainAttemptIsEnough(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	tune := fastTuning()
	tune.outageCount, tune.throttle = 1000, time.Millisecond
	v := opened(t, config(t, s, "kv-prod"), tune)
	account := accountOf(t, v, addressOf(key))
	base := v.transport.vault.Transport
	for _, c := range []struct {
		statuses []int
		certain  bool
	}{
		{[]int{503, 429, 429}, false},
		{[]int{503, 403}, false},
		{[]int{429, 503, 429}, false},
		{[]int{429, 429, 503}, false},
		{[]int{429, 429, 403}, true},
	} {
		answers := &inTurn{base, c.statuses}
		v.transport.vault.Transport = answers
		_, err := v.Sign(t.Context(), account, common.Hash{1})
		if f := asBackendError(t, err); f.NotSigned != c.certain || len(answers.statuses) != 0 {
			t.Errorf("%v: certainly not signed is %t, %d not asked for: %s", c.statuses, f.NotSigned, len(answers.statuses), f.Message)
		}
	}
}

// TestTurnsAreOfOneVault: a turn at one vault is no turn at another.
func TestTurnsAreOfOneVault(t *testing.T) {
	one, two := testVault(false), testVault(false)
	for _, v := range []*Vault{one, two} {
		v.gate = newGate(100, 1, 8, 8, time.Second)
	}
	if ok, _ := one.gate.enter(t.Context(), 1); !ok {
		t.Fatal("no turn")
	}
	entered := &turn{vault: one, cost: 1}
	if entered.use(two, 1) || entered.use(one, 2) {
		t.Error("the turn is good for something else")
	}
	if !entered.use(one, 1) || entered.use(one, 1) {
		t.Error("the turn is not good for one request")
	}
}

// TestRetriesAreEarned by what succeeds, and one that the vault wants late is left to the
// caller.
func TestRetriesAreEarned(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, config(t, s, "kv-prod"), fastTuning())
	account := accountOf(t, v, addressOf(key))
	v.retries.tokens = 0
	for range 20 {
		mustSign(t, t.Context(), v, account, common.Hash{1})
	}
	if earned := v.retries.tokens; earned < 1.9 || earned > 2.1 {
		t.Errorf("%v earned by 20 signatures", earned)
	}
	s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultThrottled, RetryAfter: 50 * time.Second})
	began := time.Now()
	_, err := v.Sign(t.Context(), account, common.Hash{2})
	if f := asBackendError(t, err); f.Kind != backend.KindBusy || f.RetryAfter < 10*time.Second || time.Since(began) > v.cfg.Timeout/2 {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
