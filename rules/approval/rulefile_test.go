package approval_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/clefjs"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// ruleFile is an engine with a policy whose rules hand over to a rule file.
func (h *house) ruleFile(t *testing.T, rule, js string, waits bool) (*rules.Engine, *memory.Storage) {
	t.Helper()
	store := memory.New(nil)
	file, err := clefjs.Load("x.js", []byte(js), clefjs.Options{Storage: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(file.Close)
	wait := "0s"
	if waits {
		wait = "1m"
	}
	p, err := policy.Load("p.yaml", []byte(`version: 1
approvals:
  ops: {threshold: 1, of: [alice], wait: `+wait+`, expires: 24h}
lists: {friends: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
rules:
  - {id: pay, effect: allow, js: x.js, match: {principal: [local], to: friends, plain: true}, `+rule+"}\n"), policy.Options{Now: h.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = p.WithScripts(map[string]rules.Rule{"x.js": file}); err != nil {
		t.Fatal(err)
	}
	h.policy = p.Hash()
	return &rules.Engine{Rules: []rules.Rule{p}, Approver: h.Queue, Ledger: h.ledger}, store
}

// paying is a payment as rule files see it.
func paying(nonce uint64, wei int64) *rules.Request {
	req := payment(wei)
	to := common.NewMixedcaseAddress(*req.Transaction.To())
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: nonce, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2), Gas: 21000, To: req.Transaction.To(), Value: big.NewInt(wei),
	})
	req.Transaction, req.Digest = tx, types.LatestSignerForChainID(tx.ChainId()).Hash(tx)
	req.TransactionArgs = &apitypes.SendTxArgs{
		From: common.NewMixedcaseAddress(req.Account.Address), To: &to, Gas: 21000, Nonce: hexutil.Uint64(nonce), Value: hexutil.Big(*big.NewInt(wei)),
		MaxFeePerGas: (*hexutil.Big)(big.NewInt(2)), MaxPriorityFeePerGas: (*hexutil.Big)(big.NewInt(1)),
	}
	return req
}

// signed is a signature of a request.
func signed(t *testing.T, req *rules.Request) rules.Result {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := crypto.Sign(req.Digest[:], key)
	if err != nil {
		t.Fatal(err)
	}
	return rules.Result{Outcome: rules.Signed, Signature: [65]byte(signature)}
}

// decideSoon has an engine decide while others go on.
func decideSoon(t *testing.T, engine *rules.Engine, req *rules.Request) <-chan rules.Decision {
	t.Helper()
	answer := make(chan rules.Decision, 1)
	go func() {
		decision, err := engine.Decide(t.Context(), req)
		if err != nil {
			t.Error(err)
		}
		answer <- decision
	}()
	return answer
}

const (
	countsSigned = `function ApproveTx(r) {
  if (Number(storage.get("spent") || "0") + Number(r.transaction.value) > 1000) return "Reject"
  return "Approve"
}
function OnApprovedTx(r) {
  storage.put("spent", String(Number(storage.get("spent") || "0") + Number(r.tx.value)))
}`
	countsAsked = `function ApproveTx(r) {
  var spent = Number(storage.get("spent") || "0") + Number(r.transaction.value)
  if (spent > 1000) return "Reject"
  storage.put("spent", String(spent))
  return "Approve"
}`
	refersLarge = `function ApproveTx(r) { storage.put("asked", "1"); return Number(r.transaction.value) > 500 ? "Manual" : "Approve" }
function OnApprovedTx(r) { storage.put("spent", String(Number(storage.get("spent") || "0") + Number(r.tx.value))) }`
)

// ruleFileLimits are two rules that ask people, and rule files with limits of their own.
var ruleFileLimits = map[string]struct{ rule, js string }{
	"the rule asks, counted when signed": {"approvals: ops", countsSigned},
	"the rule asks, counted when asked":  {"approvals: ops", countsAsked},
	"a limit asks, counted when signed":  {`over_limit: {approvals: ops}, limits: [{measure: value, max: "500 wei", window: 24h}]`, countsSigned},
	"a limit asks, counted when asked":   {`over_limit: {approvals: ops}, limits: [{measure: value, max: "500 wei", window: 24h}]`, countsAsked},
}

// TestRuleFileLimitsHold: people pass no limit of a rule file that has approved the request
// itself: it is asked again when they have approved, and what it writes then is kept.
func TestRuleFileLimitsHold(t *testing.T) {
	t.Parallel()
	for name, tt := range ruleFileLimits {
		for _, waits := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, waits %v", name, waits), func(t *testing.T) {
				t.Parallel()
				h := newHouse(t, nil)
				engine, store := h.ruleFile(t, tt.rule, tt.js, waits)
				requests := []*rules.Request{paying(0, 700), paying(1, 701)}
				opened, stop := h.Watch(10)
				defer stop()
				var answers []<-chan rules.Decision
				var tickets []string
				for _, req := range requests { // both are judged before one is signed
					if waits {
						answers = append(answers, decideSoon(t, engine, req))
						tickets = append(tickets, (<-opened).ID)
					} else {
						tickets = append(tickets, decide(t, engine, req).Ticket)
					}
				}
				for i, want := range []rules.Verdict{rules.Approve, rules.Reject} {
					if err := h.vote(t, tickets[i], "alice", true); err != nil {
						t.Fatal(err)
					}
					var got rules.Decision
					if waits {
						got = <-answers[i]
					} else {
						got = decide(t, engine, requests[i])
					}
					if got.Verdict != want {
						t.Errorf("request %d: %s: %s", i, got.Verdict, got.Reason)
					}
					if got.Verdict == rules.Approve {
						if err := engine.Settle(t.Context(), requests[i], got, signed(t, requests[i])); err != nil {
							t.Error(err)
						}
					}
					if spent := store.Snapshot()["spent"]; spent != "700" {
						t.Errorf("%q is spent after request %d", spent, i)
					}
				}
			})
		}
	}
}

// TestRuleFileRefers: what a rule file has referred itself is the people's answer, and it is
// only told of the signature.
func TestRuleFileRefers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	engine, store := h.ruleFile(t, "approvals: ops", refersLarge, false)
	req := paying(0, 700)
	if err := h.vote(t, decide(t, engine, req).Ticket, "alice", true); err != nil {
		t.Fatal(err)
	}
	got := decide(t, engine, req)
	if got.Verdict != rules.Approve {
		t.Fatalf("%+v", got)
	}
	if err := engine.Settle(t.Context(), req, got, signed(t, req)); err != nil {
		t.Fatal(err)
	}
	if kept := store.Snapshot(); kept["spent"] != "700" || kept["asked"] != "" {
		t.Errorf("%v", kept)
	}
}

// TestRuleFileChangesItsMind: what people have approved while the rule file did so, too, is not
// what it refers to them by now: they are asked about that, and it is what they approve then.
func TestRuleFileChangesItsMind(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	engine, store := h.ruleFile(t, "approvals: ops", `function ApproveTx(r) {
  if (storage.get("stop")) return "Manual"
  return "Approve"
}`, true)
	req := paying(0, 700)
	opened, stop := h.Watch(10)
	defer stop()
	answer := decideSoon(t, engine, req)
	id := (<-opened).ID
	put(t, store, "stop", "1")
	if err := h.vote(t, id, "alice", true); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got.Verdict != rules.Reject || got.Ticket != id || !strings.Contains(got.Reason, "decided otherwise by now") || !strings.Contains(got.Explanation, "x.js, which refers") {
		t.Errorf("%+v", got)
	}
	if state := h.ticket(t, id).State; state != approval.StateApproved {
		t.Errorf("the ticket is %s", state)
	}
	answer = decideSoon(t, engine, req) // the file refers it by now, to the same people
	other := id
	for other == id {
		other = (<-opened).ID
	}
	if err := h.vote(t, other, "alice", true); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got.Verdict != rules.Approve || got.Ticket != other {
		t.Errorf("%+v", got)
	}
}

// put changes a rule file's storage.
func put(t *testing.T, store *memory.Storage, key, value string) {
	t.Helper()
	tx, err := store.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tx.Put(key, value), tx.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
}
