package clefui_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/holiman/uint256"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefargs"
	"github.com/kvclef/kvclef/rules/clefui"
	"github.com/kvclef/kvclef/rules/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// screen is a user interface: the methods that Clef calls. What it was told is
// under the lock.
type screen struct {
	answer any   // to every question
	fail   error // instead
	hang   chan struct{}

	mu    sync.Mutex
	asked []string
	told  []string
}

func (s *screen) ask(method string, argument json.RawMessage) (any, error) {
	s.mu.Lock()
	s.asked = append(s.asked, method+" "+string(argument))
	s.mu.Unlock()
	if s.hang != nil {
		<-s.hang
	}
	return s.answer, s.fail
}

func (s *screen) tell(method string, argument json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, method+" "+string(argument))
}

func (s *screen) ApproveTx(a json.RawMessage) (any, error) { return s.ask("approveTx", a) }

func (s *screen) ApproveSignData(a json.RawMessage) (any, error) { return s.ask("approveSignData", a) }

func (s *screen) ApproveListing(a json.RawMessage) (any, error) { return s.ask("approveListing", a) }

func (s *screen) ApproveNewAccount(a json.RawMessage) (any, error) {
	return s.ask("approveNewAccount", a)
}

func (s *screen) ShowError(a json.RawMessage) { s.tell("showError", a) }

func (s *screen) ShowInfo(a json.RawMessage) { s.tell("showInfo", a) }

func (s *screen) OnSignerStartup(a json.RawMessage) { s.tell("onSignerStartup", a) }

func (s *screen) OnApprovedTx(a json.RawMessage) { s.tell("onApprovedTx", a) }

// said waits for what the interface was told.
func (s *screen) said(t *testing.T, want string) {
	t.Helper()
	var all string
	for range 500 {
		s.mu.Lock()
		all = strings.Join(s.told, "\n")
		s.mu.Unlock()
		if strings.Contains(all, want) {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Errorf("told %q, want %q", all, want)
}

// connect connects a signer to a screen, and returns the screen's side too.
func connect(t *testing.T, s *screen, options clefui.Options) (*clefui.UI, *rpc.Client) {
	t.Helper()
	toUI, fromSigner := io.Pipe()
	toSigner, fromUI := io.Pipe()
	other, err := rpc.DialIO(t.Context(), toUI, fromUI)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.RegisterName("ui", s); err != nil {
		t.Fatal(err)
	}
	options.Logger = slog.New(slog.DiscardHandler)
	ui, err := clefui.Connect(t.Context(), toSigner, fromSigner, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pipe := range []io.Closer{fromSigner, fromUI, toUI, toSigner} {
			_ = pipe.Close() // ends the readers
		}
		ui.Close()
		other.Close()
	})
	return ui, other
}

const testKey = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"

func payment(authorizations ...types.SetCodeAuthorization) *rules.Request {
	from := common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")
	to := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	var tx *types.Transaction
	if len(authorizations) > 0 {
		tx = types.NewTx(&types.SetCodeTx{ChainID: uint256.NewInt(1), GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(2), Gas: 21000, To: to, AuthList: authorizations})
	} else {
		tx = types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2), Gas: 21000, To: &to})
	}
	recipient := common.NewMixedcaseAddress(to)
	return &rules.Request{
		ID: "r", Kind: rules.KindTransaction, Account: rules.Account{Address: from}, Digest: types.LatestSignerForChainID(tx.ChainId()).Hash(tx),
		ChainID: tx.ChainId(), Transaction: tx,
		TransactionArgs: &apitypes.SendTxArgs{
			From: common.NewMixedcaseAddress(from), To: &recipient, Gas: 21000, Value: hexutil.Big(*big.NewInt(0)), Nonce: 0,
			MaxFeePerGas: (*hexutil.Big)(big.NewInt(2)), MaxPriorityFeePerGas: (*hexutil.Big)(big.NewInt(1)),
		},
	}
}

// answering is an answer of ui_approveTx with a transaction, changed or not.
func answering(t *testing.T, req *rules.Request, change func(map[string]any)) any {
	t.Helper()
	args, err := clefargs.SignTxOf(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(args.Transaction)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(members)
	}
	return map[string]any{"transaction": members, "approved": true}
}

// decide puts a request to the interface, with a limit held.
func decide(t *testing.T, ui *clefui.UI, ledger *memory.Ledger, req *rules.Request) (rules.Decision, rules.Hold, error) {
	t.Helper()
	id, err := ledger.Hold(t.Context(), charges())
	if err != nil {
		t.Fatal(err)
	}
	question, err := ui.Ask(t.Context(), req, rules.Decision{Verdict: rules.Refer, Rule: "rules.js:ApproveTx", Charges: charges()}, id)
	if err != nil {
		t.Fatal(err)
	}
	return question.Await(t.Context())
}

func charges() []rules.Charge {
	return []rules.Charge{{Counter: "c", Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(1), Window: time.Hour}}
}

// TestAnswers: only a plain yes about what was asked approves. What is refused
// gives back what is held.
func TestAnswers(t *testing.T) {
	t.Parallel()
	authorization := types.SetCodeAuthorization{ChainID: *uint256.NewInt(1), Nonce: 1}
	data := &rules.Request{Kind: rules.KindText, ContentType: "text/plain", Preimage: []byte("hello")}
	listing := &rules.Request{Kind: rules.KindList, Accounts: []rules.Account{{Address: common.Address{1}, Vault: "v", Key: "k", Version: "1"}}}
	for name, tt := range map[string]struct {
		req     *rules.Request
		answer  any
		fail    error
		want    rules.Verdict
		listed  int
		fails   bool
		changes string
	}{
		"unchanged":                  {req: payment(), answer: answering(t, payment(), nil), want: rules.Approve},
		"no transaction":             {req: payment(), answer: map[string]any{"approved": true}, want: rules.Approve},
		"lower case":                 {req: payment(), answer: answering(t, payment(), func(m map[string]any) { m["to"] = strings.ToLower(m["to"].(string)) }), want: rules.Approve}, //nolint:forcetypeassert // of this test
		"not approved":               {req: payment(), answer: map[string]any{"approved": false}, want: rules.Reject},
		"another value":              {req: payment(), answer: answering(t, payment(), func(m map[string]any) { m["value"] = "0x1" }), want: rules.Reject, changes: "showError"},
		"another recipient":          {req: payment(), answer: answering(t, payment(), func(m map[string]any) { m["to"] = nil }), want: rules.Reject, changes: "showError"},
		"another chain":              {req: payment(), answer: answering(t, payment(), func(m map[string]any) { m["chainId"] = "0x2" }), want: rules.Reject, changes: "showError"},
		"more gas":                   {req: payment(), answer: answering(t, payment(), func(m map[string]any) { m["gas"] = "0x5209" }), want: rules.Reject, changes: "showError"},
		"data":                       {req: payment(), answer: answering(t, payment(), func(m map[string]any) { m["input"] = "0x00" }), want: rules.Reject, changes: "showError"},
		"a broken transaction":       {req: payment(), answer: map[string]any{"approved": true, "transaction": "x"}, fails: true},
		"no answer":                  {req: payment(), answer: nil, want: rules.Reject},
		"an error":                   {req: payment(), fail: errors.New("boom"), fails: true},
		"authorizations":             {req: payment(authorization), answer: answering(t, payment(authorization), nil), want: rules.Approve},
		"authorizations not shown":   {req: payment(authorization), answer: answering(t, payment(authorization), func(m map[string]any) { delete(m, "authorizationList") }), want: rules.Reject, changes: "showError"},
		"authorizations, not echoed": {req: payment(authorization), answer: map[string]any{"approved": true}, want: rules.Reject, changes: "showError"},
		"data approved":              {req: data, answer: map[string]any{"approved": true}, want: rules.Approve},
		"data rejected":              {req: data, answer: map[string]any{}, want: rules.Reject},
		"listing":                    {req: listing, answer: map[string]any{"accounts": []any{map[string]any{"address": common.Address{1}, "url": "x"}}}, want: rules.Approve, listed: 1},
		"listing of nothing":         {req: listing, answer: map[string]any{"accounts": []any{}}, want: rules.Approve},
		"listing refused":            {req: listing, answer: map[string]any{"accounts": nil}, want: rules.Reject},
		"new account":                {req: &rules.Request{Kind: rules.KindNewAccount}, answer: map[string]any{"approved": true}, want: rules.Approve},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ledger := &screen{answer: tt.answer, fail: tt.fail}, memory.NewLedger(time.Now)
			ui, _ := connect(t, s, clefui.Options{Ledger: ledger})
			got, hold, err := decide(t, ui, ledger, tt.req)
			if (err != nil) != tt.fails || got.Verdict != tt.want || (hold != nil) != (tt.want == rules.Approve) || len(got.Listed) != tt.listed {
				t.Fatalf("%+v, %v, %v", got, hold, err)
			}
			if tt.req.Kind == rules.KindList && tt.want == rules.Approve && got.Listed == nil {
				t.Error("a listing of nothing shows all")
			}
			if tt.changes != "" {
				s.said(t, tt.changes)
			}
			_, err = ledger.Hold(t.Context(), charges())
			if held := err != nil; held != (hold != nil) {
				t.Errorf("held: %v", held)
			}
		})
	}
}

// TestSubstitute: a transaction that the interface puts in the place of another is
// approved as it was answered, and in no other form.
func TestSubstitute(t *testing.T) {
	t.Parallel()
	changed := payment()
	changed.TransactionArgs.Nonce = 9
	s, ledger := &screen{answer: answering(t, changed, nil)}, memory.NewLedger(time.Now)
	ui, _ := connect(t, s, clefui.Options{Ledger: ledger, Changes: true})
	got, _, err := decide(t, ui, ledger, payment())
	if err != nil || got.Verdict != rules.Reject || got.Instead == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	other := payment()
	other.TransactionArgs.Nonce = 10
	for req, want := range map[*rules.Request]rules.Verdict{changed: rules.Approve, other: rules.Reject} {
		ctx := rules.WithSubstitute(t.Context(), got.Instead)
		question, err := ui.Ask(ctx, req, rules.Decision{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if answer, _, err := question.Await(ctx); err != nil || answer.Verdict != want {
			t.Errorf("nonce %d: %+v, %v", req.TransactionArgs.Nonce, answer, err)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("asked %d times", len(s.asked))
	}
}

// TestSigned: the interface is told of a signed transaction, and what is held is
// settled.
func TestSigned(t *testing.T) {
	t.Parallel()
	s, ledger := &screen{answer: map[string]any{"approved": true}}, memory.NewLedger(time.Now)
	ui, _ := connect(t, s, clefui.Options{Ledger: ledger})
	req := payment()
	_, hold, err := decide(t, ui, ledger, req)
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.HexToECDSA(testKey)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := crypto.Sign(req.Digest[:], key)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(hold.Keep(t.Context()), hold.Settle(t.Context(), req, rules.Result{Outcome: rules.Signed, Signature: [65]byte(signature)})); err != nil {
		t.Fatal(err)
	}
	s.said(t, `onApprovedTx {"raw":"0x02`)
	if err := ui.Start(t.Context(), clefargs.StartupOf("http://x/", "", "6.1.0")); err != nil {
		t.Fatal(err)
	}
	s.said(t, `onSignerStartup {"info":{"extapi_http":"http://x/","extapi_ipc":"n/a","extapi_version":"6.1.0","intapi_version":"7.0.1"}}`)
}

// TestGone: an interface that is not there approves nothing, and nobody waits for
// one that does not answer.
func TestGone(t *testing.T) {
	t.Parallel()
	ledger := memory.NewLedger(time.Now)
	s := &screen{hang: make(chan struct{})}
	defer close(s.hang)
	ui, _ := connect(t, s, clefui.Options{Ledger: ledger})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	question, err := ui.Ask(ctx, payment(), rules.Decision{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, hold, err := question.Await(ctx); err == nil || hold != nil || got.Verdict == rules.Approve {
		t.Errorf("%+v, %v", got, err)
	}
	s.said(t, "withdrawn")
	ui.Close()
	if got, hold, err := decide(t, ui, ledger, payment()); err == nil || hold != nil || got.Verdict == rules.Approve {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestCallbacks: the interface may read, and change nothing.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	_, other := connect(t, new(screen), clefui.Options{
		ChainID: func() uint64 { return 17000 },
		Accounts: func() []rules.Account {
			return []rules.Account{{Address: common.Address{1}, Vault: "v", Key: "k", Version: "1"}}
		},
	})
	for method, want := range map[string]string{
		"clef_listAccounts": `[{"address":"0x0100000000000000000000000000000000000000","url":"keyvault://v/k/1"}]`,
		"clef_chainId":      `"0x4268"`,
		"clef_listWallets":  `[{"url":"keyvault://v/k/1","status":"Unlocked","accounts":[{"address":"0x0100000000000000000000000000000000000000","url":"keyvault://v/k/1"}]}]`,
	} {
		var got json.RawMessage
		if err := other.CallContext(t.Context(), &got, method); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", method, got, err)
		}
	}
	for method, arguments := range map[string][]any{
		"clef_setChainId": {"0x1"}, "clef_new": nil, "clef_importRawKey": {"00", ""}, "clef_export": {common.Address{1}},
	} {
		if err := other.CallContext(t.Context(), nil, method, arguments...); err == nil {
			t.Errorf("%s is answered", method)
		}
	}
}
