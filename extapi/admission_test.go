package extapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/extapi/callers"
	"github.com/kvclef/kvclef/rules"
)

// queueSigner is a keySigner with turns.
type queueSigner struct {
	*keySigner
	full error // of every turn

	mu             sync.Mutex
	taken          []string // callers, with their weights
	deadlines      []time.Duration
	inside, unused int
}

type testPlace struct {
	of   *queueSigner
	once sync.Once
}

type testPlaceKey struct{}

func (p *testPlace) Into(ctx context.Context) context.Context {
	return context.WithValue(ctx, testPlaceKey{}, p)
}

func (p *testPlace) Leave() { p.end(1) }

func (p *testPlace) end(unused int) {
	p.once.Do(func() {
		p.of.mu.Lock()
		defer p.of.mu.Unlock()
		p.of.inside--
		p.of.unused += unused
	})
}

func (s *queueSigner) Queue(ctx context.Context, _ common.Address, caller string, weight int) (Place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, fmt.Sprintf("%s×%d", caller, weight))
	if deadline, ok := ctx.Deadline(); ok {
		s.deadlines = append(s.deadlines, time.Until(deadline))
	}
	if s.full != nil {
		return nil, s.full
	}
	s.inside++
	return &testPlace{of: s}, nil
}

func (s *queueSigner) Sign(ctx context.Context, address common.Address, digest common.Hash) (Signed, error) {
	if place, ok := ctx.Value(testPlaceKey{}).(*testPlace); ok {
		place.end(0)
	}
	return s.keySigner.Sign(ctx, address, digest)
}

// shedAs asserts that an error is one that was shed, as it goes over the wire.
func shedAs(t *testing.T, err error) {
	t.Helper()
	var code rpc.Error
	var with rpc.DataError
	if !errors.As(err, &code) || code.ErrorCode() != -32005 || !errors.As(err, &with) {
		t.Fatalf("got %v, want code -32005 with data", err)
	}
	text, _ := json.Marshal(with.ErrorData())
	var data struct {
		Seconds int    `json:"retryAfterSeconds"`
		Ms      int64  `json:"retry_after_ms"`
		Request string `json:"request"`
	}
	if err := json.Unmarshal(text, &data); err != nil || data.Ms <= 0 || data.Seconds <= 0 || data.Request == "" {
		t.Errorf("data %s: %v", text, err)
	}
}

// TestWhatIsShedLeavesNoTrace: it is neither decided nor recorded.
func TestWhatIsShedLeavesNoTrace(t *testing.T) {
	for name, change := range map[string]func(*Config, *queueSigner){
		"no turn": func(_ *Config, s *queueSigner) {
			s.full = &failure{public: "vault kv-prod is busy", after: 300 * time.Millisecond, sure: true}
		},
		"over rate": func(c *Config, _ *queueSigner) { c.Desk = usedUp(t, callers.Limits{Rate: 1}) },
		"over in flight": func(c *Config, _ *queueSigner) {
			c.Desk = usedUp(t, callers.Limits{InFlight: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			signer, record := &queueSigner{keySigner: newKeySigner(t)}, new(entries)
			account, decider := newTestAccount(t, func(c *Config) {
				c.Signer, c.Auditor = signer, record
				change(c, signer)
			})
			_, err := sign(t, inProcess(t, account), dynamicFee)
			shedAs(t, err)
			if decider.asked() > 0 || len(record.all) > 0 {
				t.Errorf("%d decided, %d recorded", decider.asked(), len(record.all))
			}
		})
	}
}

// usedUp returns a desk where in-process callers have used up what they may.
func usedUp(t *testing.T, limits callers.Limits) *callers.Desk {
	t.Helper()
	desk := callers.New(callers.Config{Default: limits})
	if _, err := desk.Enter(Local, Local); err != nil {
		t.Fatal(err)
	}
	return desk
}

// TestATurnIsUsedOrGivenBack: whatever becomes of the request.
func TestATurnIsUsedOrGivenBack(t *testing.T) {
	for name, c := range map[string]struct {
		change   map[string]any
		fail     error
		unused   int
		approved bool
	}{
		"signed":   {nil, nil, 0, true},
		"rejected": {map[string]any{"to": "0x000000000000000000000000000000000000dEaD"}, nil, 1, false},
		"no rule":  {map[string]any{"nonce": "0x7778"}, nil, 1, false},
		"failed":   {nil, errors.New("broken"), 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			signer := &queueSigner{keySigner: newKeySigner(t)}
			signer.fail = c.fail
			account, _ := newTestAccount(t, func(cfg *Config) { cfg.Signer = signer })
			_, _ = sign(t, inProcess(t, account), with(dynamicFee, c.change))
			if len(signer.taken) != 1 || signer.inside != 0 || signer.unused != c.unused {
				t.Errorf("%d turns, %d not ended, %d unused, want %d", len(signer.taken), signer.inside, signer.unused, c.unused)
			}
		})
	}
}

// TestWhatNeedsNoVaultTakesNoTurn: a repeat, and an account that is unknown.
func TestWhatNeedsNoVaultTakesNoTurn(t *testing.T) {
	signer := &queueSigner{keySigner: newKeySigner(t)}
	account, _ := newTestAccount(t, func(c *Config) { c.Signer, c.Repeat = signer, time.Minute })
	client := inProcess(t, account)
	for range 3 {
		if _, err := sign(t, client, dynamicFee); err != nil {
			t.Fatal(err)
		}
	}
	signer.full = &failure{public: "busy", after: time.Second}
	if _, err := sign(t, client, dynamicFee); err != nil {
		t.Errorf("a repeat while the vault is busy: %v", err)
	}
	if _, err := sign(t, client, with(dynamicFee, map[string]any{"from": testRecipient})); err == nil || err.Error() != errUnknownAccount.Error() {
		t.Errorf("an unknown account: %v", err)
	}
	if len(signer.taken) != 1 {
		t.Errorf("%d turns were taken", len(signer.taken))
	}
}

// TestWhoWaitsForPeopleHoldsNoTurn: they may take minutes.
func TestWhoWaitsForPeopleHoldsNoTurn(t *testing.T) {
	signer := &queueSigner{keySigner: newKeySigner(t)}
	asked := &askingPeople{during: func() int { signer.mu.Lock(); defer signer.mu.Unlock(); return signer.inside }}
	account, _ := newTestAccount(t, func(c *Config) {
		c.Signer = signer
		c.Decider = &rules.Engine{Approver: asked}
	})
	if _, err := sign(t, inProcess(t, account), dynamicFee); err != nil {
		t.Fatal(err)
	}
	if asked.held != 0 || signer.inside != 0 || len(signer.taken) != 1 {
		t.Errorf("%d turns were held while people thought", asked.held)
	}
}

// askingPeople approves, and looks at what is held meanwhile.
type askingPeople struct {
	during func() int
	held   int
}

func (a *askingPeople) Asked(context.Context, *rules.Request, rules.Decision) (rules.Question, error) {
	return nil, nil
}

func (a *askingPeople) Ask(context.Context, *rules.Request, rules.Decision, rules.HoldID) (rules.Question, error) {
	return a, nil
}

func (a *askingPeople) Await(context.Context) (rules.Decision, rules.Hold, error) {
	a.held = a.during()
	return rules.Decision{Verdict: rules.Approve, Rule: "people"}, keptHold{}, nil
}

type keptHold struct{}

func (keptHold) Drop()                                                      {}
func (keptHold) Keep(context.Context) error                                 { return nil }
func (keptHold) Settle(context.Context, *rules.Request, rules.Result) error { return nil }

// TestTurnsAreTheCallers: with its weight, and until the answer is due.
func TestTurnsAreTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := &queueSigner{keySigner: newKeySigner(t)}
		account, _ := newTestAccount(t, func(c *Config) {
			c.Signer, c.MaxWait = signer, 4*time.Second
			c.Desk = callers.New(callers.Config{Named: map[string]callers.Limits{"batcher": {Weight: 3}}})
		})
		var args TransactionArgs
		raw, _ := json.Marshal(dynamicFee)
		if err := json.Unmarshal(raw, &args); err != nil {
			t.Fatal(err)
		}
		hurried := new(answering)
		hurried.begin(2*time.Second, false)
		for _, ctx := range []context.Context{
			WithCaller(t.Context(), rules.Caller{Transport: "http"}, "batcher"),
			WithCaller(t.Context(), rules.Caller{Transport: "http"}, Anonymous),
			WithCaller(t.Context(), rules.Caller{Transport: "rpc"}, Anonymous),
			context.WithValue(WithCaller(t.Context(), rules.Caller{Transport: "ipc"}, Local), answeringKey{}, hurried),
		} {
			if _, err := account.SignTransaction(ctx, args, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := fmt.Sprint(signer.taken), "[batcher×3 anonymous on http×1 anonymous on rpc×1 local×1]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := fmt.Sprint(signer.deadlines), "[4s 4s 4s 1.5s]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestEachCallCountsOnce: in a batch as well, whatever the namespace.
func TestEachCallCountsOnce(t *testing.T) {
	account, _ := newTestAccount(t, func(c *Config) {
		c.Desk = callers.New(callers.Config{Default: callers.Limits{Rate: 1e-9, Burst: 5}})
	})
	server := rpc.NewServer()
	defer server.Stop()
	if err := Register(server, account, ""); err != nil {
		t.Fatal(err)
	}
	client := rpc.DialInProc(server)
	defer client.Close()
	batch := make([]rpc.BatchElem, 9)
	for i := range batch {
		batch[i] = rpc.BatchElem{Method: "eth_accounts", Result: new(any)}
	}
	batch[1].Method, batch[1].Args = "eth_signTransaction", []any{with(dynamicFee, map[string]any{"chainId": "0x539"})}
	batch[2].Method, batch[2].Args = "account_signData", []any{"text/plain", testAddress, "0x00"}
	if err := client.BatchCall(batch); err != nil {
		t.Fatal(err)
	}
	for i, call := range batch {
		switch {
		case i < 5 && call.Error != nil:
			t.Errorf("call %d: %v", i, call.Error)
		case i >= 5:
			shedAs(t, call.Error)
		}
	}
	var version string
	if err := client.Call(&version, "account_version"); err != nil {
		t.Errorf("what costs nothing: %v", err)
	}
}

// TestABatchOfAuthorizationsEnds: one caller's recovering of signers does not hold
// the process, and others are served.
func TestABatchOfAuthorizationsEnds(t *testing.T) {
	key := newKeySigner(t).key
	one, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *uint256.NewInt(1337), Address: common.Address{1}})
	if err != nil {
		t.Fatal(err)
	}
	list := make([]types.SetCodeAuthorization, maxAuthorizations)
	for i := range list {
		list[i] = one
	}
	account, decider := newTestAccount(t, nil)
	raw, err := json.Marshal(with(dynamicFee, map[string]any{"authorizationList": list}))
	if err != nil {
		t.Fatal(err)
	}
	var args TransactionArgs
	if err := json.Unmarshal(raw, &args); err != nil {
		t.Fatal(err)
	}
	greedy := WithCaller(t.Context(), rules.Caller{Transport: "http"}, "greedy")
	began, signed := time.Now(), 0
	const calls = 400 // 102,400 authorizations
	for range calls {
		fresh := args
		if _, err := account.SignTransaction(greedy, fresh, nil); err == nil {
			signed++
		} else {
			shedAs(t, err)
		}
	}
	most := 1 + int((callers.WorkAtOnce+time.Duration(float64(callers.WorkRate)*time.Since(began).Seconds()))/(maxAuthorizations*authorizationWork))
	if signed < 60 || signed > most || decider.asked() != signed {
		t.Errorf("%d of %d signed in %v, want at most %d; %d decided", signed, calls, time.Since(began), most, decider.asked())
	}
	if _, err := account.SignTransaction(WithCaller(t.Context(), rules.Caller{Transport: "http"}, "other"), args, nil); err != nil {
		t.Errorf("another caller: %v", err)
	}
}
