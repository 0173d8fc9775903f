package extapi

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// counting is a decider, a signer and an auditor of many requests at a time.
type counting struct {
	key *ecdsa.PrivateKey

	verdict   atomic.Uint32                            // of rules.Verdict
	sign      func(ctx context.Context, n int64) error // of the nth request to the vault; nil: it signs
	record    func(e audit.Entry) error                // nil: it does
	gone      atomic.Bool                              // the account
	repeats   atomic.Bool                              // approvals are of a signature that was given before
	asked     atomic.Int64                             // requests to the vault
	signed    atomic.Int64                             // settled as signed
	unsettled atomic.Int64                             // settlements that fail

	mu       sync.Mutex
	outcomes []audit.Entry
}

func (c *counting) Decide(context.Context, *rules.Request) (rules.Decision, error) {
	return rules.Decision{Verdict: rules.Verdict(c.verdict.Load()), Repeats: c.repeats.Load()}, nil
}

func (c *counting) Settle(_ context.Context, _ *rules.Request, _ rules.Decision, result rules.Result) error {
	if c.unsettled.Add(-1) >= 0 {
		return errors.New("not settled")
	}
	if result.Outcome == rules.Signed {
		c.signed.Add(1)
	}
	return nil
}

func (c *counting) Accounts() []rules.Account { return nil }

func (c *counting) Find(context.Context, common.Address) (rules.Account, bool) {
	return rules.Account{Address: c.address()}, !c.gone.Load()
}

func (c *counting) address() common.Address { return crypto.PubkeyToAddress(c.key.PublicKey) }

func (c *counting) Sign(ctx context.Context, _ common.Address, digest common.Hash) (Signed, error) {
	n := c.asked.Add(1)
	if c.sign != nil {
		if err := c.sign(ctx, n); err != nil {
			return Signed{}, err
		}
	}
	signed, err := signedBy(c.key, digest)
	signed.RequestID = fmt.Sprint("vault ", n)
	if n%2 == 0 {
		signed.Signature = otherOf(signed.Signature)
	}
	return signed, err
}

// otherOf returns the other signature of the same key for the same digest, with
// N-s for s.
func otherOf(signature [65]byte) [65]byte {
	s := new(big.Int).SetBytes(signature[32:64])
	s.Sub(crypto.S256().Params().N, s).FillBytes(signature[32:64])
	signature[64] ^= 1
	return signature
}

func (c *counting) Append(_ context.Context, e audit.Entry) error {
	if c.record != nil {
		if err := c.record(e); err != nil {
			return err
		}
	}
	if e.Event == audit.EventOutcome {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.outcomes = append(c.outcomes, e)
	}
	return nil
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	c := &counting{key: newKey(t)}
	c.verdict.Store(uint32(rules.Approve))
	return c
}

func (c *counting) service(repeat time.Duration) *Service {
	return NewService(c, c, c, time.Minute, repeat, slog.New(slog.DiscardHandler))
}

func (c *counting) ask(t *testing.T, s *Service, id string, digest byte) ([65]byte, error) {
	t.Helper()
	return s.sign(t.Context(), &rules.Request{ID: id, Kind: rules.KindText, Account: rules.Account{Address: c.address()}, Digest: common.Hash{digest}})
}

// TestDeviation27RepeatsGetTheSameSignature: without a request to the vault, and
// on record as what they are.
func TestDeviation27RepeatsGetTheSameSignature(t *testing.T) {
	c := newCounting(t)
	s := c.service(time.Minute)
	first, err := c.ask(t, s, "first", 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.ask(t, s, "again", 1)
	if err != nil || again != first || c.asked.Load() != 1 || c.signed.Load() != 2 {
		t.Fatalf("%d requests to the vault, %d settled, same %v, %v", c.asked.Load(), c.signed.Load(), again == first, err)
	}
	a, b := c.outcomes[0], c.outcomes[1]
	if a.Repeat || a.First != "" || a.VaultRequest != "vault 1" || a.SignatureHash == "" {
		t.Errorf("the first is recorded as %+v", a)
	}
	if !b.Repeat || b.First != "first" || b.Request != "again" || !*b.Released || b.SignatureHash != a.SignatureHash || b.VaultRequest != "" || b.Key != a.Key {
		t.Errorf("recorded %+v\nthen %+v", a, b)
	}
	if _, err := c.ask(t, s, "other", 2); err != nil || c.asked.Load() != 2 {
		t.Errorf("another digest: %d requests to the vault, %v", c.asked.Load(), err)
	}

	// It is decided anew.
	c.verdict.Store(uint32(rules.Reject))
	if signature, err := c.ask(t, s, "refused", 1); err == nil || signature != [65]byte{} {
		t.Errorf("a repeat that is refused now is released: %v", err)
	}

	c.verdict.Store(uint32(rules.Approve))
	never := c.service(0)
	var signatures [2][65]byte
	for i := range signatures {
		if signatures[i], err = c.ask(t, never, "never", 1); err != nil {
			t.Fatal(err)
		}
	}
	if c.asked.Load() != 4 || signatures[0] == signatures[1] || c.outcomes[len(c.outcomes)-1].Repeat {
		t.Errorf("turned off: %d requests to the vault", c.asked.Load())
	}
}

// TestRepeatsEnd: after their time, and when there are too many.
func TestRepeatsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t)
		s := c.service(time.Minute)
		for i, step := range []struct {
			wait time.Duration
			want int64
		}{{0, 1}, {time.Minute - 1, 1}, {1, 2}, {time.Second, 2}} {
			<-time.After(step.wait)
			if _, err := c.ask(t, s, "r", 1); err != nil || c.asked.Load() != step.want {
				t.Fatalf("step %d: %d requests to the vault, %v", i, c.asked.Load(), err)
			}
		}
	})
	r := newGiven(time.Hour, time.Now)
	for i := range maxRepeats + 10 {
		remember(t, r, i, Signed{})
	}
	if len(r.known) != maxRepeats || len(r.queue) != maxRepeats || len(r.turns) != 0 || r.bytes > maxRepeatBytes {
		t.Errorf("%d known, %d queued, %d turns, %d bytes", len(r.known), len(r.queue), len(r.turns), r.bytes)
	}
	long := Signed{Version: strings.Repeat("v", maxRepeatBytes/4)}
	for i := range 10 {
		remember(t, r, maxRepeats+10+i, long)
	}
	if len(r.known) != 3 || len(r.queue) != 3 || r.bytes > maxRepeatBytes {
		t.Errorf("of long ones %d known, %d queued, %d bytes", len(r.known), len(r.queue), r.bytes)
	}
	remember(t, r, -1, Signed{Version: strings.Repeat("v", maxRepeatBytes)})
	if len(r.known) != 0 || r.bytes != 0 {
		t.Errorf("what is too long itself is known, with %d bytes", r.bytes)
	}
}

func remember(t *testing.T, g *given, i int, signed Signed) {
	t.Helper()
	turn, err := g.enter(t.Context(), common.Address{}, common.BigToHash(big.NewInt(int64(i)+1)))
	if err != nil || turn.again {
		t.Fatal(i, turn.again, err)
	}
	turn.conclude(signed, rules.Signed, "r", nil)
	turn.leave()
}

// TestOnlyReleasedSignaturesAreRepeated: not one that failed, and not one whose
// outcome is not on record.
func TestOnlyReleasedSignaturesAreRepeated(t *testing.T) {
	boom := errors.New("boom")
	for name, prepare := range map[string]func(c *counting){
		"the vault fails": func(c *counting) {
			c.sign = func(_ context.Context, n int64) error {
				if n == 1 {
					return boom
				}
				return nil
			}
		},
		"it is not settled": func(c *counting) { c.unsettled.Store(1) },
		"the outcome is not recorded": func(c *counting) {
			first := true
			c.record = func(e audit.Entry) error {
				if e.Event == audit.EventOutcome && first {
					first = false
					return boom
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounting(t)
			prepare(c)
			s := c.service(time.Minute)
			if _, err := c.ask(t, s, "first", 1); err == nil {
				t.Fatal("released")
			}
			if _, err := c.ask(t, s, "second", 1); err != nil || c.asked.Load() != 2 {
				t.Errorf("%d requests to the vault, %v", c.asked.Load(), err)
			}
		})
	}
}

// TestEqualRequestsAtOnce make one request to the vault. While they certainly
// are not signed they take turns; when one may have been, those that wait fail
// as well, and the next that comes signs.
func TestEqualRequestsAtOnce(t *testing.T) {
	const callers = 64
	for _, tt := range []struct {
		name                   string
		failure                error
		failures               int64 // of the first requests to the vault
		asked, refused, signed int64
	}{
		{"it signs", nil, 0, 1, 0, callers},
		{"it fails twice", waitedError{errors.New("busy")}, 2, 3, 2, callers - 2},
		{"it always fails", waitedError{errors.New("busy")}, callers, callers, callers, 0},
		{"the answer is lost", errors.New("reset"), 1, 1, callers, 0},
		{"it panics", nil, 1, 1, callers, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCounting(t)
				var inVault atomic.Int64
				c.sign = func(_ context.Context, n int64) error {
					defer inVault.Add(-1)
					if inVault.Add(1) > 1 {
						t.Error("two equal requests are with the vault")
					}
					<-time.After(100 * time.Millisecond)
					switch {
					case n > tt.failures:
						return nil
					case tt.failure == nil:
						panic("boom")
					}
					return tt.failure
				}
				s := c.service(time.Minute)
				var released sync.Map
				var refused atomic.Int64
				var all sync.WaitGroup
				for i := range callers {
					all.Go(func() {
						signature, err := c.ask(t, s, fmt.Sprint(i), 1)
						if err != nil {
							refused.Add(1)
							return
						}
						released.Store(signature, true)
					})
				}
				all.Wait()
				different := 0
				released.Range(func(any, any) bool { different++; return true })
				if c.asked.Load() != tt.asked || refused.Load() != tt.refused || c.signed.Load() != tt.signed || different > 1 || len(s.given.turns) != 0 {
					t.Errorf("%d requests to the vault, %d refused, %d signed, %d signatures, %d turns left",
						c.asked.Load(), refused.Load(), c.signed.Load(), different, len(s.given.turns))
				}
				unclear := 0
				for _, e := range c.outcomes {
					if e.Outcome == rules.Unknown.String() {
						unclear++
					}
				}
				if lost := tt.failures == 1; lost != (unclear == 1) {
					t.Errorf("%d outcomes are unknown", unclear)
				}
				c.sign = nil
				if _, err := c.ask(t, s, "later", 1); err != nil {
					t.Errorf("a later request: %v", err)
				}
			})
		})
	}
}

// TestWaitingForAnEqualRequestEnds with the request's own time, and has signed
// nothing.
func TestWaitingForAnEqualRequestEnds(t *testing.T) {
	g := newGiven(time.Minute, time.Now)
	first, err := g.enter(t.Context(), common.Address{1}, common.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	second, err := g.enter(ctx, common.Address{1}, common.Hash{1})
	if outcomeOf(err) != rules.NotSigned || !errors.Is(onWire(err), errTimeout) {
		t.Errorf("got %v, %v", outcomeOf(err), err)
	}
	second.leave()
	if _, busy := g.turns[first.key]; !busy {
		t.Error("who waited in vain has ended the turn of another")
	}
	for _, other := range []repeatKey{{common.Address{2}, common.Hash{1}}, {common.Address{1}, common.Hash{2}}} {
		turn, err := g.enter(ctx, other.address, other.digest)
		if err != nil || turn.again {
			t.Errorf("another account or digest waits: %v", err)
		}
		turn.leave()
	}
	first.leave()
	first.leave()
}

// TestOneApprovalIsOneSignature: an approval that an equal request has used gets the
// signature that was made, and where that is not remembered none: the vault is not
// asked, whatever became of the other.
func TestOneApprovalIsOneSignature(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		window time.Duration
		first  bool // an equal request is signed before
		lost   bool // and its outcome is not recorded
		want   bool
	}{
		"remembered":      {window: time.Minute, first: true, want: true},
		"never signed":    {window: time.Minute},
		"nobody's window": {first: true},
		"not recorded":    {window: time.Minute, first: true, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounting(t)
			if tt.lost {
				c.record = func(e audit.Entry) error {
					if e.Event == audit.EventOutcome && e.Request == "first" {
						return errors.New("no space")
					}
					return nil
				}
			}
			s := c.service(tt.window)
			if tt.first {
				if _, err := c.ask(t, s, "first", 1); (err != nil) != tt.lost {
					t.Fatal(err)
				}
			}
			asked := c.asked.Load()
			c.repeats.Store(true)
			if _, err := c.ask(t, s, "second", 1); (err == nil) != tt.want {
				t.Errorf("%v", err)
			}
			if c.asked.Load() != asked {
				t.Error("an approval is used for a second signature")
			}
			c.repeats.Store(false)
			if _, err := c.ask(t, s, "third", 1); err != nil {
				t.Errorf("an approval of its own: %v", err)
			}
		})
	}
}

// TestUnknownAccountsTakeNoTurn: there is nothing to wait for.
func TestUnknownAccountsTakeNoTurn(t *testing.T) {
	c := newCounting(t)
	s := c.service(time.Minute)
	if _, err := c.ask(t, s, "first", 1); err != nil {
		t.Fatal(err)
	}
	c.gone.Store(true)
	if signature, err := c.ask(t, s, "gone", 1); !errors.Is(err, errUnknownAccount) || signature != [65]byte{} {
		t.Errorf("an account that is gone is signed with again: %v", err)
	}
	if e := c.outcomes[1]; e.Repeat || e.First != "" || e.Outcome != "not signed" || e.SignatureHash != "" {
		t.Errorf("recorded %+v", e)
	}
}
