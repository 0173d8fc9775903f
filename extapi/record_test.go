package extapi

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// entries is an audit log in memory. It fails for the events in failing.
type entries struct {
	failing map[audit.Event]bool
	before  func(audit.Entry) // nil: nothing

	mu  sync.Mutex
	all []audit.Entry
}

func (e *entries) Append(ctx context.Context, entry audit.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.before != nil {
		e.before(entry)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failing[entry.Event] {
		return errors.New("no space left on device")
	}
	e.all = append(e.all, entry)
	return nil
}

// last returns the newest entries, oldest first.
func (e *entries) last(t *testing.T, n int) []audit.Entry {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.all) < n {
		t.Fatalf("%d entries, want at least %d", len(e.all), n)
	}
	return e.all[len(e.all)-n:]
}

// TestEverySignatureIsOnRecord: the entries of a transaction say what was
// signed, why, by which key and for whom.
func TestEverySignatureIsOnRecord(t *testing.T) {
	log := new(entries)
	account, decider := newTestAccount(t, func(cfg *Config) { cfg.Auditor = log })
	call := with(dynamicFee, map[string]any{"data": fmt.Sprintf("0xa9059cbb%064x%064x", 1, 2), "gas": "0x186a0"})
	if _, err := sign(t, inProcess(t, account), call); err != nil {
		t.Fatal(err)
	}
	req, two := decider.last(t), log.last(t, 2)
	decision, outcome := two[0], two[1]
	to := *req.Transaction.To()
	want := audit.Entry{
		Event: audit.EventDecision, Request: req.ID, Principal: "local", Transport: "ipc", Remote: "NA", Method: "account_signTransaction",
		Kind: "transaction", Account: req.Account.Address.Hex(), Vault: "dev", Key: "test", KeyVersion: "1", ChainID: "1337", Nonce: "3",
		To: to.Hex(), Value: "1", Selector: "0xa9059cbb", Call: req.Call.Text, DataBytes: 68,
		DataHash: crypto.Keccak256Hash(req.Transaction.Data()).Hex(), DataExcerpt: hexutil.Encode(req.Transaction.Data()),
		Digest: req.Digest.Hex(), Verdict: "approve", Rule: "capture", Micros: decision.Micros,
		Whole: decision.Whole,
	}
	if got, err := Rebuild(decision); err != nil || got.Digest != req.Digest {
		t.Errorf("the whole request: %+v, %v", decision.Whole, err)
	}
	if decision != want {
		t.Errorf("decision\n%+v, want\n%+v", decision, want)
	}
	if outcome.Event != audit.EventOutcome || outcome.Request != req.ID || outcome.Outcome != "signed" || outcome.Released == nil || !*outcome.Released ||
		outcome.VaultRequest != "vault-request" || len(outcome.SignatureHash) != 66 || outcome.Digest != want.Digest || outcome.Error != "" {
		t.Errorf("outcome %+v", outcome)
	}
}

// TestDeviation21EveryRequestIsOnRecord: Clef forgets new accounts, why a
// listing was refused, the numbers of a Safe transaction, and what it could not
// decode.
func TestDeviation21EveryRequestIsOnRecord(t *testing.T) {
	log := new(entries)
	account, _ := newTestAccount(t, func(cfg *Config) {
		cfg.Auditor, cfg.Decider = log, rules.ApproveAll{}
	})
	if _, err := account.New(t.Context()); err != nil {
		t.Fatal(err)
	}
	if made := log.last(t, 2); made[0].Kind != "new account" || made[1].Account != common.HexToAddress("0x1234").Hex() || made[1].Outcome != "signed" {
		t.Errorf("new account: %+v", made)
	}
	if _, err := account.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if listed := log.last(t, 1)[0]; listed.Method != "account_list" || listed.Listed == nil || *listed.Listed != 1 {
		t.Errorf("listing: %+v", listed)
	}
	if _, err := account.SignData(t.Context(), "", common.MixedcaseAddress{}, nil); err == nil {
		t.Fatal("data without a media type is signed")
	}
	if refused := log.last(t, 1)[0]; refused.Event != audit.EventRefused || refused.Method != "account_signData" || refused.Error != "mime: no media type" {
		t.Errorf("refused: %+v", refused)
	}
	refusing, _ := newTestAccount(t, func(cfg *Config) {
		cfg.Auditor, cfg.Decider = log, &captureRules{rejectListing: true}
	})
	if _, err := refusing.List(t.Context()); err == nil {
		t.Fatal("the listing is not refused")
	}
	if refused := log.last(t, 1)[0]; refused.Event != audit.EventDecision || refused.Verdict != "reject" {
		t.Errorf("refused listing: %+v", refused)
	}
}

// TestListingShowsWhatTheDecisionLists: a decision can leave accounts out and
// can't add any.
func TestListingShowsWhatTheDecisionLists(t *testing.T) {
	held := newKeySigner(t).account.Address
	for name, test := range map[string]struct{ listed, want []common.Address }{
		"all":    {nil, []common.Address{held}},
		"none":   {[]common.Address{}, []common.Address{}},
		"others": {[]common.Address{{1}, held, {2}}, []common.Address{held}},
	} {
		account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = listing(test.listed) })
		got, err := account.List(t.Context())
		if err != nil || got == nil || len(got) != len(test.want) || len(got) == 1 && got[0] != test.want[0] {
			t.Errorf("%s: %v, %v; want %v", name, got, err, test.want)
		}
	}
}

// listing lists certain accounts.
type listing []common.Address

func (l listing) Decide(context.Context, *rules.Request) (rules.Decision, error) {
	return rules.Decision{Verdict: rules.Approve, Listed: l}, nil
}

func (listing) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error {
	return nil
}

// TestTheRecordHasWhy: the policy's hash and its explanation are on record, also
// of what failed.
func TestTheRecordHasWhy(t *testing.T) {
	r := newRecord(&rules.Request{Kind: rules.KindText})
	for _, err := range []error{nil, errors.New("boom")} {
		entry := r.decision(rules.Decision{Policy: common.Hash{1}, Explanation: "because"}, err)
		if entry.Policy != (common.Hash{1}).Hex() || entry.Explain != "because" {
			t.Errorf("%+v", entry)
		}
	}
	if entry := r.decision(rules.Decision{}, nil); entry.Policy != "" || entry.Explain != "" {
		t.Errorf("without a policy: %+v", entry)
	}
}

// What a decision holds and is not durable yet is in its entry, and in no other.
func TestTheRecordHasWhatIsReserved(t *testing.T) {
	r := newRecord(&rules.Request{Kind: rules.KindText})
	at := time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC)
	amount, _ := uint256.FromDecimal(strings.Repeat("9", 77))
	entry := r.decision(rules.Decision{Reservation: &rules.Reservation{ID: 7, At: at, Charges: []rules.Reserved{
		{Counter: "daily", Slot: "nonce 1", Amount: *amount, Expires: at.Add(time.Hour)}, {Counter: "count", Expires: at},
	}}}, nil)
	want := &audit.Hold{ID: 7, Time: at, Charges: []audit.Charge{
		{Counter: "daily", Slot: "nonce 1", Amount: strings.Repeat("9", 77), Expires: at.Add(time.Hour)}, {Counter: "count", Amount: "0", Expires: at},
	}}
	if !reflect.DeepEqual(entry.Hold, want) {
		t.Errorf("got %+v, want %+v", entry.Hold, want)
	}
	if entry := r.decision(rules.Decision{}, nil); entry.Hold != nil {
		t.Errorf("nothing is reserved: %+v", entry.Hold)
	}
	if entry := r.outcome(rules.Result{}, Signed{}, nil); entry.Hold != nil {
		t.Errorf("an outcome: %+v", entry.Hold)
	}
}
