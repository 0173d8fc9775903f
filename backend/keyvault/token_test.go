package keyvault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

func TestARejectedTokenIsReplacedOnceForAll(t *testing.T) {
	for _, concurrent := range []int{1, 64} {
		t.Run(fmt.Sprint(concurrent), func(t *testing.T) {
			s := start(t, emulator.Options{})
			key := createKey(t, s, "treasury", emulator.KeyOptions{})
			cfg := config(t, s, "kv-prod")
			cfg.RequestsPerSecond = -1
			v := opened(t, cfg, defaultTuning())
			account := accountOf(t, v, addressOf(key))
			s.ResetCounts()
			// The SDK tries again with the same token: two requests per call.
			s.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultUnauthorized, Times: 2 * concurrent})
			var wg sync.WaitGroup
			for i := range concurrent {
				wg.Go(func() {
					signed, err := v.Sign(t.Context(), account, common.Hash{byte(i)})
					if err != nil {
						// Whose request was rejected under the new client, too.
						if failure := asBackendError(t, err); concurrent == 1 || failure.Kind != backend.KindForbidden {
							t.Errorf("got %v", err)
						}
						return
					}
					checkSignature(t, signed.Signature, account.Address, common.Hash{byte(i)})
				})
			}
			wg.Wait()
			if n := s.Count(emulator.OpToken); n != 1 {
				t.Errorf("%d tokens were asked for, want 1", n)
			}
			if n := s.Count(emulator.OpSign); n > 4*concurrent {
				t.Errorf("%d requests for %d calls", n, concurrent)
			}
		})
	}
}

// TestAnotherClientIsTaken: whoever finds that the client has been replaced meanwhile
// takes that one.
func TestAnotherClientIsTaken(t *testing.T) {
	stale, current := new(azkeys.Client), new(azkeys.Client)
	c := &clients{every: time.Hour, renewed: time.Now(), turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	c.current.Store(current)
	if !c.renew(t.Context(), stale) || c.current.Load() != current {
		t.Error("there is another one")
	}
	if c.renew(t.Context(), current) {
		t.Error("there is no other, and it is too soon to make one")
	}
}

func TestTokensThatExpire(t *testing.T) {
	s := start(t, emulator.Options{TokenLifetime: 2 * time.Second})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := config(t, s, "kv-prod")
	v := opened(t, cfg, defaultTuning())
	account := accountOf(t, v, addressOf(key))
	s.ResetCounts()
	for deadline := time.Now().Add(time.Minute); s.Count(emulator.OpToken) < 2; {
		mustSign(t, t.Context(), v, account, common.Hash{1})
		if time.Now().After(deadline) {
			t.Fatal("no new token")
		}
		<-time.After(50 * time.Millisecond)
	}
}

// TestFaultsOfEntra needs a token for the first request after the vault is
// open: the vault has forgotten its client.
func TestFaultsOfEntra(t *testing.T) {
	for _, kind := range []emulator.FaultKind{
		emulator.FaultUnauthorized, emulator.FaultForbiddenRBAC, emulator.FaultNotFound, emulator.FaultConflict, emulator.FaultThrottled,
		emulator.FaultServerError, emulator.FaultUnavailable, emulator.FaultSlow, emulator.FaultReset, emulator.FaultTruncated,
	} {
		for _, op := range []emulator.Op{emulator.OpToken, emulator.OpDiscovery} {
			for _, concurrent := range []int{1, 64} {
				t.Run(fmt.Sprintf("%s %s/%d", op, kind, concurrent), func(t *testing.T) { failingEntra(t, op, kind, concurrent) })
			}
		}
	}
}

func failingEntra(t *testing.T, op emulator.Op, kind emulator.FaultKind, concurrent int) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	cfg := faultConfig(t, s, kind)
	v := opened(t, cfg, fastTuning())
	account := accountOf(t, v, addressOf(key))
	forget(t, v)
	s.ResetCounts()
	fault := emulator.Fault{Op: op, Kind: kind}
	if kind == emulator.FaultSlow {
		fault.Delay = time.Hour
	}
	remove := s.Inject(fault)
	var wg sync.WaitGroup
	for i := range concurrent {
		wg.Go(func() {
			_, err := v.Sign(t.Context(), account, common.Hash{byte(i)})
			if failure := asBackendError(t, err); !failure.NotSigned {
				t.Errorf("without a token, it is certain that nothing was signed: %v (%v)", err, failure.Cause)
			}
		})
	}
	wg.Wait()
	if n := s.Count(emulator.OpToken) + s.Count(emulator.OpDiscovery); n > 30 {
		t.Errorf("%d requests to Entra", n)
	}
	remove()
	for until := time.Now().Add(5 * time.Second); ; { // Entra is asked again in a moment
		_, err := v.Sign(t.Context(), account, common.Hash{1})
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("no recovery: %v (%v)", err, asBackendError(t, err).Cause)
		}
		<-time.After(20 * time.Millisecond)
	}
	mustSign(t, t.Context(), v, account, common.Hash{2})
}

// forget makes a vault ask for a token again.
func forget(t *testing.T, v *Vault) {
	t.Helper()
	client, err := v.clients.build()
	if err != nil {
		t.Fatal(err)
	}
	v.clients.current.Store(client)
}

// scripted is a credential whose outcomes a test writes down.
type scripted struct {
	token azcore.AccessToken
	err   error
	block bool
	calls int
}

func (s *scripted) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	s.calls++
	if s.block {
		<-ctx.Done()
		return azcore.AccessToken{}, ctx.Err()
	}
	return s.token, s.err
}

func TestATokenFailureIsAnsweredAgainForAWhile(t *testing.T) {
	inner := &scripted{err: errors.New("refused")}
	tokens := &tokens{inner: inner, pause: time.Hour, early: time.Second}
	for range 10 {
		var failed *tokenError
		if _, err := tokens.GetToken(t.Context(), policy.TokenRequestOptions{}); !errors.As(err, &failed) || failed.text != "refused" {
			t.Fatalf("got %v", err)
		}
	}
	if inner.calls != 1 {
		t.Errorf("asked %d times, want once", inner.calls)
	}
	tokens.until = time.Now()
	inner.token, inner.err = azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
	if token, err := tokens.GetToken(t.Context(), policy.TokenRequestOptions{}); err != nil || token.Token != "t" {
		t.Errorf("got %v, %v", token, err)
	}
	// With a good token, a slow refresh ends long before the request's deadline.
	inner.block = true
	tokens.early = 10 * time.Millisecond
	began := time.Now()
	if _, err := tokens.GetToken(t.Context(), policy.TokenRequestOptions{}); !isTimeout(err) || time.Since(began) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

func TestACallerThatGaveUpSaysNothingAboutTheCredential(t *testing.T) {
	inner := &scripted{block: true}
	tokens := &tokens{inner: inner, pause: time.Hour, early: time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if _, err := tokens.GetToken(ctx, policy.TokenRequestOptions{}); err == nil {
			t.Errorf("got %v", err)
		}
	}
	if inner.calls != 2 {
		t.Errorf("asked %d times, want 2", inner.calls)
	}
}

func isTimeout(err error) bool {
	var failed *tokenError
	return errors.As(err, &failed) && failed.timeout
}
