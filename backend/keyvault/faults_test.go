package keyvault

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

// faultCase says what signing does while a fault lasts.
type faultCase struct {
	fault     emulator.Fault
	kind      backend.Kind
	notSigned bool
	message   string
	perCall   int // requests that one call may cost at most
}

func faultCases() []faultCase {
	const once, retried = 1, 3
	sign := func(kind emulator.FaultKind) emulator.Fault { return emulator.Fault{Op: emulator.OpSign, Kind: kind} }
	slow, later := sign(emulator.FaultSlow), sign(emulator.FaultThrottled)
	slow.Delay, later.RetryAfter = time.Hour, 40*time.Millisecond
	return []faultCase{
		// The SDK answers the challenge once, and the new client's SDK once more.
		{sign(emulator.FaultUnauthorized), backend.KindForbidden, true, "rejects the token", 4},
		{sign(emulator.FaultForbiddenRBAC), backend.KindForbidden, true, "assign one with keys/sign, such as Key Vault Crypto User", once},
		{sign(emulator.FaultForbiddenPolicy), backend.KindForbidden, true, "add the key permission sign", once},
		{sign(emulator.FaultForbiddenFirewall), backend.KindForbidden, true, "the firewall of vault kv-prod", once},
		{sign(emulator.FaultForbiddenHTML), backend.KindForbidden, false, "something in front of vault kv-prod", once},
		{sign(emulator.FaultKeyDisabled), backend.KindForbidden, true, "is disabled in vault kv-prod: enable it or remove it from keys", once},
		{sign(emulator.FaultNotFound), backend.KindNotFound, true, "is not in vault kv-prod", once},
		{sign(emulator.FaultConflict), backend.KindUnknown, true, "is being changed", once},
		{sign(emulator.FaultThrottled), backend.KindBusy, true, "busy", retried},
		{later, backend.KindBusy, true, "try again in", retried},
		{sign(emulator.FaultServerError), backend.KindUnavailable, false, "out of order", retried},
		{sign(emulator.FaultUnavailable), backend.KindUnavailable, false, "out of order", retried},
		{slow, backend.KindUnavailable, false, "does not answer within", retried},
		{sign(emulator.FaultReset), backend.KindUnavailable, false, "vault kv-prod", retried},
		{sign(emulator.FaultTruncated), backend.KindUnavailable, false, "vault kv-prod", retried},
		{sign(emulator.FaultLostReply), backend.KindUnavailable, false, "vault kv-prod", retried},
		{sign(emulator.FaultWrongKID), backend.KindInvalid, false, "not a signature by key treasury", once},
		{sign(emulator.FaultWrongSignature), backend.KindInvalid, false, "not a signature by key treasury", once},
		{sign(emulator.FaultWrongLength), backend.KindInvalid, false, "not a signature by key treasury", once},
		{sign(emulator.FaultBadChallenge), backend.KindUnavailable, false, "malformed", once},
	}
}

// faultConfig waits a short while only for answers that never come.
func faultConfig(t testing.TB, s *emulator.Server, kind emulator.FaultKind) Config {
	cfg := config(t, s, "kv-prod")
	if kind == emulator.FaultSlow {
		cfg.TryTimeout, cfg.Timeout = 200*time.Millisecond, 2*time.Second
	}
	cfg.RequestsPerSecond = -1
	return cfg
}

func TestFaults(t *testing.T) {
	for _, c := range faultCases() {
		for _, concurrent := range []int{1, 64} {
			name := fmt.Sprintf("%s/%d", c.fault.Kind, concurrent)
			if c.fault.RetryAfter > 0 {
				name = fmt.Sprintf("%s with Retry-After/%d", c.fault.Kind, concurrent)
			}
			t.Run(name, func(t *testing.T) { c.run(t, concurrent) })
		}
	}
}

func (c faultCase) run(t *testing.T, concurrent int) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, faultConfig(t, s, c.fault.Kind), fastTuning())
	account := accountOf(t, v, addressOf(key))
	s.ResetCounts()
	remove := s.Inject(c.fault)
	var wg sync.WaitGroup
	for i := range concurrent {
		wg.Go(func() {
			digest := crypto.Keccak256Hash([]byte{byte(i)})
			signed, err := v.Sign(t.Context(), account, digest)
			if err == nil {
				checkSignature(t, signed.Signature, account.Address, digest)
				t.Errorf("signed in spite of the fault: is it in force?")
				return
			}
			c.check(t, err, concurrent)
		})
	}
	wg.Wait()
	// A storm would be more than every call's own attempts; with many callers,
	// the budget for retries bounds it further.
	most := c.perCall * concurrent
	if c.perCall == 3 {
		most = min(most, concurrent+v.cfg.MaxInFlight)
	}
	if n := s.Count(emulator.OpSign); n > most {
		t.Errorf("%d requests for %d calls, want at most %d", n, concurrent, most)
	}
	if n := s.Count(emulator.OpToken); n > 1 {
		t.Errorf("%d tokens were asked for, want at most 1", n)
	}
	remove()
	mustRecover(t, v, account)
}

func (c faultCase) check(t *testing.T, err error, concurrent int) {
	failure := asBackendError(t, err)
	if strings.ContainsAny(failure.Message, "\n\r") || len(failure.Message) > 300 {
		t.Errorf("message is not one short line: %q", failure.Message)
	}
	// With many callers, some meet the circuit that others have opened.
	if concurrent > 1 && failure.Kind == backend.KindUnavailable && failure.NotSigned && strings.Contains(failure.Message, "is not asked now") {
		return
	}
	if failure.Kind != c.kind || failure.NotSigned != c.notSigned || !strings.Contains(failure.Message, c.message) {
		t.Errorf("got kind %d, not signed %v, %q (cause %v); want kind %d, not signed %v, %q",
			failure.Kind, failure.NotSigned, failure.Message, failure.Cause, c.kind, c.notSigned, c.message)
	}
	if failure.Kind == backend.KindBusy && failure.RetryAfter <= 0 {
		t.Error("busy without a time to try again")
	}
}

// mustRecover signs as soon as the vault works again: at once or, if the error
// says when to try again, then.
func mustRecover(t *testing.T, v *Vault, account backend.Account) {
	t.Helper()
	digest := crypto.Keccak256Hash([]byte("again"))
	signed, err := v.Sign(t.Context(), account, digest)
	if err != nil {
		failure := asBackendError(t, err)
		if failure.RetryAfter <= 0 || failure.RetryAfter > time.Second {
			t.Fatalf("no recovery: %v (%v)", err, failure.Cause)
		}
		<-time.After(failure.RetryAfter)
		if signed, err = v.Sign(t.Context(), account, digest); err != nil {
			t.Fatalf("no recovery after the time to try again: %v (%v)", err, failure.Cause)
		}
	}
	checkSignature(t, signed.Signature, account.Address, digest)
}

func TestFaultsThatPassAreNotNoticed(t *testing.T) {
	for _, c := range faultCases() {
		if c.perCall != 3 {
			continue
		}
		for _, concurrent := range []int{1, 64} {
			t.Run(fmt.Sprintf("%s/%d", c.fault.Kind, concurrent), func(t *testing.T) {
				s := start(t, emulator.Options{})
				key := createKey(t, s, "treasury", emulator.KeyOptions{})
				v := opened(t, faultConfig(t, s, c.fault.Kind), fastTuning())
				account := accountOf(t, v, addressOf(key))
				fault := c.fault
				fault.Times = concurrent
				remove := s.Inject(fault)
				s.ResetCounts()
				var wg sync.WaitGroup
				for i := range concurrent {
					wg.Go(func() {
						digest := crypto.Keccak256Hash([]byte{byte(i)})
						signed, err := v.Sign(t.Context(), account, digest)
						if err != nil && concurrent == 1 {
							t.Errorf("%v (%v)", err, asBackendError(t, err).Cause)
							return
						}
						if err == nil {
							checkSignature(t, signed.Signature, account.Address, digest)
						}
					})
				}
				wg.Wait()
				if n := s.Count(emulator.OpSign); n > 2*concurrent {
					t.Errorf("%d requests for %d calls", n, concurrent)
				}
				remove() // a reset fails many requests, so that it may have happened less often
				mustRecover(t, v, account)
			})
		}
	}
}

func TestFaultsOfReadsAtTheStart(t *testing.T) {
	for kind, want := range map[emulator.FaultKind]string{
		emulator.FaultUnauthorized:      "rejects the token",
		emulator.FaultForbiddenRBAC:     "no role lets this identity list the keys in vault kv-prod",
		emulator.FaultForbiddenPolicy:   "add the key permission list",
		emulator.FaultForbiddenFirewall: "firewall",
		emulator.FaultForbiddenHTML:     "something in front of",
		emulator.FaultThrottled:         "busy",
		emulator.FaultServerError:       "out of order",
		emulator.FaultUnavailable:       "out of order",
		emulator.FaultSlow:              "does not answer within",
		emulator.FaultReset:             "vault kv-prod",
		emulator.FaultTruncated:         "vault kv-prod",
		emulator.FaultLostReply:         "vault kv-prod",
		emulator.FaultBadChallenge:      "malformed",
	} {
		t.Run(kind.String(), func(t *testing.T) {
			s := start(t, emulator.Options{})
			createKey(t, s, "treasury", emulator.KeyOptions{})
			s.Inject(emulator.Fault{Op: emulator.OpList, Kind: kind, Delay: time.Hour * time.Duration(b2i(kind == emulator.FaultSlow))})
			_, err := open(t.Context(), faultConfig(t, s, kind), fastTuning())
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if n := s.Count(emulator.OpList); n > 4 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestNothingListens(t *testing.T) {
	s := start(t, emulator.Options{})
	key := createKey(t, s, "treasury", emulator.KeyOptions{})
	v := opened(t, faultConfig(t, s, 0), fastTuning())
	account := accountOf(t, v, addressOf(key))
	v.transport.base.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := v.Sign(t.Context(), account, common.Hash{1})
	failure := asBackendError(t, err)
	if failure.Kind != backend.KindUnavailable || !strings.Contains(failure.Message, "can't be reached") || !failure.NotSigned {
		t.Errorf("got %+v", failure)
	}
}
