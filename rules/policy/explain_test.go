package policy

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
)

// TestExplanationIsReadable compares what people and the record get to read.
func TestExplanationIsReadable(t *testing.T) {
	t.Parallel()
	p := example(t)
	for name, tt := range map[string]struct {
		req           *rules.Request
		text, summary string
	}{
		"nothing matches": {treasuryPays(other, 100), `reject: no rule matches
  nearest: treasury-small (line 29): recipient (line 32) wants payees, got 0x9999999999999999999999999999999999999999

rules
  deny   no-create (line 18): create (line 18) wants true, got false
  deny   no-delegate (line 19): tx_type (line 19) wants 4, got 2
  deny   no-unlimited (line 20): call (line 20) wants one of approve, permit, got transfer
  allow  batcher (line 21): principal (line 23) wants batcher.prod, got "payouts"
  allow  treasury-small (line 29): recipient (line 32) wants payees, got 0x9999999999999999999999999999999999999999
  allow  treasury-large (line 37): recipient (line 40) wants payees, got 0x9999999999999999999999999999999999999999
  allow  relayer (line 43): principal (line 45) wants relay-api, got "payouts"
  allow  relayer-permit (line 51), in shadow: principal (line 54) wants relay-api, got "payouts"

budgets
  budget fleet-gas: matches

policy `, `no rule matches; rule treasury-small (line 29): recipient (line 32) wants payees, got 0x9999999999999999999999999999999999999999; ` +
			`rule treasury-large (line 37): recipient (line 40) wants payees, got 0x9999999999999999999999999999999999999999`},
		"people": {treasuryPays(payee, 1_000_001), `refer by rule treasury-large (line 37): finance must approve

rules
  deny   no-create (line 18): create (line 18) wants true, got false
  deny   no-delegate (line 19): tx_type (line 19) wants 4, got 2
  deny   no-unlimited (line 20): call (line 20) wants one of approve, permit, got transfer
  allow  batcher (line 21): principal (line 23) wants batcher.prod, got "payouts"
  allow  treasury-small (line 29): amount_max (line 32) wants at most 10000 USDC, got 10000.01 USDC
  allow  treasury-large (line 37): matches
  allow  relayer (line 43): principal (line 45) wants relay-api, got "payouts"
  allow  relayer-permit (line 51), in shadow: principal (line 54) wants relay-api, got "payouts"

budgets
  budget fleet-gas: matches

limits
  limit treasury-large/amount/account counts 10000010000 of 1000000000000 (1000000 USDC in 168h), as COUNTER
  budget fleet-gas counts 10000000000000000 of 5000000000000000000 (5 ether in 24h), as fleet-gas/gas_cost

policy `, `rule treasury-large (line 37) allows it, and finance must approve; limit treasury-large/amount/account counts 10000010000 of 1000000000000 (1000000 USDC in 168h), ` +
			`as COUNTER; ` +
			`budget fleet-gas counts 10000000000000000 of 5000000000000000000 (5 ether in 24h), as fleet-gas/gas_cost`},
		"not understood": {asking(2, "payouts", "", &types.DynamicFeeTx{To: &usdc, Data: common.FromHex(call(transferSelector, payee))}), `reject by rule no-unlimited (line 20)

rules
  deny   no-create (line 18): create (line 18) wants true, got false
  deny   no-delegate (line 19): tx_type (line 19) wants 4, got 2
  deny   no-unlimited (line 20): matches, as it can't be ruled out: amount (line 20) wants unlimited, got data that is not understood (unknown)
  allow  batcher (line 21): principal (line 23) wants batcher.prod, got "payouts"
  allow  treasury-small (line 29): call (line 31) wants transfer, got transfer with arguments that do not fit (unknown)
  allow  treasury-large (line 37): call (line 39) wants transfer, got transfer with arguments that do not fit (unknown)
  allow  relayer (line 43): principal (line 45) wants relay-api, got "payouts"
  allow  relayer-permit (line 51), in shadow: principal (line 54) wants relay-api, got "payouts"

budgets
  budget fleet-gas: matches

policy `, `rule no-unlimited (line 20) denies it, as it can't be ruled out: amount (line 20) wants unlimited, got data that is not understood (unknown)`},
	} {
		e := p.Explain(tt.req, exampleAt)
		if len(e.Limits) > 0 { // the name of the counter is that of the limits
			tt.text = strings.ReplaceAll(tt.text, "COUNTER", e.Limits[0].Counter)
			tt.summary = strings.ReplaceAll(tt.summary, "COUNTER", e.Limits[0].Counter)
		}
		if got, want := e.String(), tt.text+p.Hash().Hex()+"\n"; got != want {
			t.Errorf("%s\n%s\nwant\n%s", name, got, want)
		}
		decision, _, err := p.Evaluate(t.Context(), tt.req)
		if err != nil || decision.Explanation != tt.summary {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, decision.Explanation, tt.summary)
		}
		encoded, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back Explanation
		if err := json.Unmarshal(encoded, &back); err != nil || back.String() != e.String() {
			t.Errorf("%s: %v, %s", name, err, encoded)
		}
	}
}

// TestWhatEvaluateAdds has shadow rules, and limits that can't be measured.
func TestWhatEvaluateAdds(t *testing.T) {
	t.Parallel()
	yes := &chance{name: "yes", odds: [3]uint64{0, 0, 100}}
	match := Match{Request: []predicate{yes}}
	unmeasurable := limit.Limit{ID: "calls", Measure: limit.Argument, Method: "approve(address,uint256)", Argument: "9", Window: time.Hour}
	counted := limit.Limit{ID: "each", Measure: limit.Signatures, Max: *uint256.NewInt(5), Window: time.Hour}
	fails := Rule{ID: "allow", Effect: Allow, Match: match, Limits: []limit.Limit{counted, unmeasurable, counted}, OverLimit: &rules.Quorum{Group: "board"}}
	req := &rules.Request{Kind: rules.KindText}
	shadows := []Rule{{ID: "strict", Shadow: true, Match: match}, {ID: "open", Line: 3, Shadow: true, Effect: Allow, Match: match}}
	allow := Rule{ID: "allow", Effect: Allow, Match: match}
	for name, tt := range map[string]struct {
		policy       Policy
		verdict      rules.Verdict
		rule, reason string
		explanation  string
	}{
		"shadow rules decide nothing":     {Policy{rules: append(shadows, allow)}, rules.Approve, "allow", "", "rule allow allows it; in shadow rule strict would deny it; in shadow rule open (line 3) would allow it"},
		"shadow rules allow nothing":      {Policy{rules: shadows}, rules.Reject, "", "no rule matches", "no rule matches; in shadow rule strict would deny it; in shadow rule open (line 3) would allow it"},
		"denials come first":              {Policy{rules: []Rule{allow, {ID: "no", Match: match}}}, rules.Reject, "no", "rule no denies it", "rule no denies it"},
		"a limit that fails":              {Policy{rules: []Rule{{ID: "allow", Effect: Allow, Match: match, Limits: []limit.Limit{unmeasurable}}, allow}}, rules.Reject, "allow", "limit calls can't be measured", "rule allow allows it; limit calls can't be measured"},
		"a limit that fails among others": {Policy{rules: []Rule{fails}}, rules.Reject, "allow", "limit calls can't be measured", "limit calls can't be measured"},
		"a budget that fails":             {Policy{rules: []Rule{allow}, budget: []Budget{{Match: match, Limit: unmeasurable}}}, rules.Reject, "allow", "limit calls can't be measured", "limit calls can't be measured"},
		"nothing at all":                  {Policy{}, rules.Reject, "", "no rule matches", "no rule matches"},
	} {
		got, _, err := tt.policy.Evaluate(t.Context(), req)
		if err != nil || got.Verdict != tt.verdict || got.Rule != tt.rule || got.Reason != tt.reason || !strings.Contains(got.Explanation, tt.explanation) || len(got.Charges) > 0 || got.OverLimit != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCallersThatAreGone(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	got, _, err := example(t).Evaluate(gone, treasuryPays(payee, 1))
	if err == nil || !errors.Is(err, gone.Err()) || got.Verdict != rules.Undecided {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestExplanationsAreBounded has much to tell.
func TestExplanationsAreBounded(t *testing.T) {
	t.Parallel()
	p := &Policy{}
	for range 20 {
		p.rules = append(p.rules, Rule{ID: strings.Repeat("é", 600), Shadow: true, Match: Match{}})
	}
	allow := Rule{ID: "allow", Effect: Allow, Match: Match{}}
	j := judgement{verdict: rules.Approve, rule: &allow}
	for range 1000 {
		j.charges = append(j.charges, rules.Charge{Counter: strings.Repeat("c", 500)})
		j.shown = append(j.shown, "")
	}
	f := facts.Of(&rules.Request{Kind: rules.KindText, ChainID: big.NewInt(1)}, exampleAt)
	for _, text := range []string{p.summary(&j), func() string { j := p.judge(f); return p.summary(&j) }()} {
		if len(text) > rules.MaxExplanation || !strings.HasSuffix(text, "…") || strings.Contains(text, "�") {
			t.Errorf("%d bytes, ends in %q", len(text), text[len(text)-20:])
		}
	}
	if long := bounded(strings.Repeat("é", 200)); len(long) > maxTold || !strings.HasSuffix(long, "é…") {
		t.Errorf("%q", long)
	}
}
