package policyreplay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/cmd/internal/requestlog"
	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limited is a policy with a limit of a number of wei an hour.
func limited(wei int) string {
	return fmt.Sprintf(`version: 1
rules:
  - {id: never, effect: deny, match: {kind: transaction, value_min: "50 wei"}}
  - id: pay
    effect: allow
    match: {kind: transaction, principal: [local]}
    limits: [{id: hourly, measure: value, max: "%d wei", window: 1h, per: [account]}]
`, wei)
}

// begin is when all logs begin.
func begin() time.Time { return time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC) }

// payment is a request to pay.
func payment(nonce, wei uint64) *rules.Request {
	tx := types.NewTx(&types.LegacyTx{Nonce: nonce, Gas: 21000, GasPrice: new(big.Int), To: &common.Address{9}, Value: new(big.Int).SetUint64(wei)})
	return &rules.Request{
		ID: fmt.Sprint(nonce), Kind: rules.KindTransaction, Method: "account_signTransaction", Principal: "local", ChainID: big.NewInt(1), Transaction: tx,
		Account: rules.Account{Address: common.Address{1}}, Caller: rules.Caller{Transport: "ipc"}, TransactionArgs: &apitypes.SendTxArgs{},
		Digest: types.LatestSignerForChainID(big.NewInt(1)).Hash(tx),
	}
}

func newSide(t *testing.T, source string) *Side {
	t.Helper()
	side, err := NewSide(t.Context(), "policy.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(side.Close)
	return side
}

// logOf is a log with entries, and then an error if there is one.
func logOf(err error, entries ...requestlog.Entry) iter.Seq2[requestlog.Entry, error] {
	return func(yield func(requestlog.Entry, error) bool) {
		for _, entry := range entries {
			if !yield(entry, nil) {
				return
			}
		}
		if err != nil {
			yield(requestlog.Entry{}, err)
		}
	}
}

// TestLimitsAreHeldUntilTheOutcome, in the time of the log.
func TestLimitsAreHeldUntilTheOutcome(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return begin().Add(time.Duration(minutes) * time.Minute) }
	entry := func(seq uint64, minutes int, nonce, wei, settled uint64, outcome rules.Outcome) requestlog.Entry {
		return requestlog.Entry{Seq: seq, Time: at(minutes), Request: payment(nonce, wei), Verdict: rules.Approve, Rule: "pay", Settled: settled, Outcome: outcome}
	}
	entries := []requestlog.Entry{
		entry(1, 0, 1, 6, 4, rules.NotSigned),
		entry(2, 1, 2, 6, 3, rules.Signed),  // the first is still held
		entry(5, 2, 3, 6, 6, rules.Signed),  // it has been given back
		entry(7, 3, 4, 4, 0, rules.Unknown), // that may have been signed
		entry(8, 4, 5, 1, 9, rules.Signed),
		entry(10, 5, 3, 5, 11, rules.Signed),   // replaces, and raises nothing
		entry(12, 66, 6, 10, 13, rules.Signed), // all that was before is an hour ago
		entry(14, 67, 7, 60, 15, rules.Signed),
	}
	report, err := Replay(t.Context(), logOf(nil, entries...), Options{Candidate: newSide(t, limited(10))})
	if err != nil {
		t.Fatal(err)
	}
	if report.Requests != 8 || report.Alike != 5 || report.Changed != 3 || report.OtherRule != 0 || len(report.Changes) != 2 {
		t.Fatalf("%+v", report)
	}
	over, denied := report.Changes[0], report.Changes[1]
	if over.Count != 2 || over.To.Limit != "hourly" || over.To.Verdict != rulestest.Reject || over.From.Verdict != rulestest.Approve || over.To.Reason != "limit hourly is exceeded" ||
		len(over.Examples) != 2 || over.Examples[0].Seq != 2 || over.Examples[1].Seq != 8 || denied.To.Rule != "never" || denied.Examples[0].Seq != 14 {
		t.Errorf("%+v", report.Changes)
	}
	if use := report.Limits[0]; use.Limit != "hourly" || use.Used.Uint64() != 10 || use.Seq != 7 || !use.Time.Equal(at(3)) || use.Exceeded != 2 || use.First != 2 ||
		use.Max.Uint64() != 10 || !strings.HasPrefix(use.Per, "account=0x01") {
		t.Errorf("%+v", use)
	}
}

// TestTheSamePolicyDecidesAlike: what an engine decides with a policy and a
// ledger, whatever the order of outcomes, is decided so again.
func TestTheSamePolicyDecidesAlike(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 9))
	now := begin()
	clock := func() time.Time { return now }
	loaded, err := policy.Load("policy.yaml", []byte(limited(40)), policy.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	engine := rules.Engine{Rules: []rules.Rule{loaded}, Ledger: memory.NewLedger(clock)}
	var entries []requestlog.Entry
	type open struct {
		at       int
		decision rules.Decision
	}
	var waiting []open
	seq, rejected := uint64(0), 0
	for range 3000 {
		now = now.Add(time.Duration(random.IntN(300)) * time.Second)
		seq++
		if len(waiting) > 0 && random.IntN(2) == 0 {
			i := random.IntN(len(waiting))
			settled := waiting[i]
			waiting = append(waiting[:i], waiting[i+1:]...)
			entry := &entries[settled.at]
			entry.Settled, entry.Outcome = seq, rules.Outcome(random.IntN(3))
			if err := engine.Settle(t.Context(), entry.Request, settled.decision, rules.Result{Outcome: entry.Outcome}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		req := payment(random.Uint64N(40), random.Uint64N(55))
		decision, err := engine.Decide(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if decision.Verdict == rules.Approve {
			waiting = append(waiting, open{len(entries), decision})
		} else {
			rejected++
		}
		entries = append(entries, requestlog.Entry{Seq: seq, Time: now, Request: req, Verdict: decision.Verdict, Rule: decision.Rule, Reason: decision.Reason})
	}
	report, err := Replay(t.Context(), logOf(nil, entries...), Options{Candidate: newSide(t, limited(40))})
	if err != nil || report.Changed != 0 || report.OtherRule != 0 || report.Alike != len(entries) || rejected < 100 || rejected > len(entries)-100 {
		t.Errorf("%+v, %v; %d of %d were rejected", report, err, rejected, len(entries))
	}
	// With another limit some differ, and the policies judge each other as they judged the log.
	wider, err := Replay(t.Context(), logOf(nil, entries...), Options{Candidate: newSide(t, limited(45))})
	if err != nil || wider.Changed == 0 {
		t.Errorf("%+v, %v", wider, err)
	}
	both, err := Replay(t.Context(), logOf(nil, entries...), Options{Candidate: newSide(t, limited(45)), Current: newSide(t, limited(45))})
	if err != nil || both.Changed != 0 || both.Requests != len(entries) {
		t.Errorf("%+v, %v", both, err)
	}
}

// TestReferralsAreTold: what nobody was there to approve was referred, whatever
// the log says.
func TestReferralsAreTold(t *testing.T) {
	t.Parallel()
	const source = `version: 1
approvals: {board: {threshold: 1, of: [alice]}}
rules:
  - {id: pay, effect: allow, match: {kind: transaction, principal: [local]}, approvals: board}
`
	loaded, err := policy.Load("policy.yaml", []byte(source), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	req := payment(1, 1)
	decision, err := (&rules.Engine{Rules: []rules.Rule{loaded}}).Decide(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	entry := requestlog.Entry{Seq: 1, Time: begin(), Request: req, Verdict: decision.Verdict, Rule: decision.Rule, Reason: decision.Reason}
	report, err := Replay(t.Context(), logOf(nil, entry), Options{Candidate: newSide(t, source)})
	if err != nil || report.Alike != 1 {
		t.Errorf("%+v, %v; recorded %+v", report, err, entry)
	}
	report, err = Replay(t.Context(), logOf(nil, entry), Options{Candidate: newSide(t, limited(0))})
	if err != nil || report.Changed != 1 || report.Changes[0].From.Verdict != rulestest.Refer || report.Changes[0].To.Verdict != rulestest.Reject {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestRuleFiles that rules hand over to are asked, at the time of the entry.
func TestRuleFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const script = `function ApproveTx(r) {
  if (r.meta.scheme == "http") throw new Error("no idea")
  return new Date().getUTCHours() == 10 ? "Approve" : "Reject"
}
function OnApprovedTx(r) { if (r.tx.nonce == "0x3") throw new Error("three") }`
	if err := os.WriteFile(filepath.Join(dir, "narrow.js"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	const source = `version: 1
rules: [{id: pay, effect: allow, match: {kind: transaction, principal: [local]}, js: narrow.js}]
`
	if _, err := NewSide(t.Context(), filepath.Join(t.TempDir(), "policy.yaml"), []byte(source)); err == nil {
		t.Error("a policy without its rule file judges")
	}
	side, err := NewSide(t.Context(), filepath.Join(dir, "policy.yaml"), []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	defer side.Close()
	var entries []requestlog.Entry
	for i := range uint64(4) {
		entries = append(entries, requestlog.Entry{
			Seq: 2*i + 1, Time: begin().Add(time.Duration(i/2) * time.Hour), Request: payment(i, 1), Verdict: rules.Approve, Rule: "pay", Settled: 2*i + 2, Outcome: rules.Signed,
		})
	}
	entries[3].Time = begin()
	entries[2].Request.Caller.Transport = "http"
	report, err := Replay(t.Context(), logOf(nil, entries...), Options{Candidate: side})
	if err != nil || report.Alike != 3 || report.Withheld != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	if change := report.Changes[0]; change.To.Verdict != rulestest.Refer || !strings.Contains(change.To.Reason, "no idea") {
		t.Errorf("%+v", change)
	}
}

// TestErrorsEndTheReplay, with what was found before.
func TestErrorsEndTheReplay(t *testing.T) {
	t.Parallel()
	damage := errors.New("damage")
	entry := requestlog.Entry{Seq: 1, Time: begin(), Request: payment(1, 1), Verdict: rules.Reject}
	if report, err := Replay(t.Context(), logOf(damage, entry), Options{Candidate: newSide(t, limited(1))}); !errors.Is(err, damage) || report.Changed != 1 || len(report.Changes) != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Replay(ended, logOf(nil, entry), Options{Candidate: newSide(t, limited(1))}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestReportsAreBounded, unless all is wanted.
func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		report := newReport(Options{All: all, Describe: func(*rules.Request) string { return "" }})
		for i := range maxChanges + 10 {
			for range 5 {
				report.add(&requestlog.Entry{Seq: uint64(i), Request: &rules.Request{}}, Decision{Verdict: "reject", Rule: fmt.Sprint(i)}, Decision{Verdict: "approve"})
			}
		}
		report.sort()
		if len(report.Changes) != maxChanges+1 || report.Changes[0].Count != 50 || report.Changes[0].From.Verdict != Others || report.Changed != 5*(maxChanges+10) {
			t.Errorf("%d changes, the first %+v", len(report.Changes), report.Changes[0].From)
		}
		if examples := len(report.Changes[1].Examples); examples != 5 && all || examples != maxExamples && !all {
			t.Errorf("%d examples", examples)
		}
	}
}
