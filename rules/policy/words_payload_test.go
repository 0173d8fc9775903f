package policy

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

const zeroDomain = "0x0000000000000000000000000000000000000000000000000000000000000000"

// payloadOf is a request of a sequencer, for a chain.
func payloadOf(chain int64, domain byte) *rules.Request {
	return &rules.Request{
		Kind: rules.KindBlockPayload, Method: "opsigner_signBlockPayloadV2", Principal: "local", Caller: rules.Caller{Transport: "ipc"},
		Account: rules.Account{Address: payouts}, ChainID: big.NewInt(chain), Payload: &rules.BlockPayload{Domain: [32]byte{31: domain}, Hash: [32]byte{1}},
	}
}

// TestPayloads: a sequencer's blocks are told apart by their chain and domain, and
// words about anything else don't hold for them.
func TestPayloads(t *testing.T) {
	t.Parallel()
	upper := zeroDomain[:64] + "AB"
	for name, tt := range map[string]struct {
		match string
		req   *rules.Request
		want  rules.Verdict
	}{
		"the domain":            {`kind: block_payload, chain: mainnet, payload_domain: "` + zeroDomain + `"`, payloadOf(1, 0), rules.Approve},
		"one of the domains":    {`payload_domain: ["` + zeroDomain + `", "` + upper + `"]`, payloadOf(1, 0xab), rules.Approve},
		"another domain":        {`payload_domain: "` + zeroDomain + `"`, payloadOf(1, 1), rules.Reject},
		"another chain":         {`chain: mainnet, payload_domain: "` + zeroDomain + `"`, payloadOf(11155111, 0), rules.Reject},
		"another kind":          {`kind: [text]`, payloadOf(1, 0), rules.Reject},
		"a transaction's words": {`to: other`, payloadOf(1, 0), rules.Reject},
		"the account":           {`account: payouts`, payloadOf(1, 0), rules.Approve},
		"another account":       {`account: other`, payloadOf(1, 0), rules.Reject},
		"another method":        {`method: eth_sign`, payloadOf(1, 0), rules.Reject},
		"without a payload":     {`kind: block_payload`, &rules.Request{Kind: rules.KindBlockPayload, Principal: "local"}, rules.Reject},
	} {
		p, err := Load("p", []byte(header+"  - {id: a, effect: allow, match: {principal: [local], "+tt.match+"}}"), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		decision, _, err := p.Evaluate(t.Context(), tt.req)
		if err != nil || decision.Verdict != tt.want {
			t.Errorf("%s: %v, %v; want %v", name, decision.Verdict, err, tt.want)
		}
		if tt.want == rules.Reject && decision.Explanation == "" {
			t.Errorf("%s: not explained", name)
		}
	}
}

// TestPayloadsAreCounted: each payload counts as a signature.
func TestPayloadsAreCounted(t *testing.T) {
	t.Parallel()
	p, err := Load("p", []byte(header+`  - {id: a, effect: allow, match: {payload_domain: "`+zeroDomain+`"}, limits: [{measure: signatures, max: 2, window: 1h, per: [chain]}]}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	decision, _, err := p.Evaluate(t.Context(), payloadOf(1, 0))
	if err != nil || len(decision.Charges) != 1 || !strings.Contains(decision.Charges[0].Counter, "chain=1") {
		t.Errorf("%+v, %v", decision, err)
	}
	if kind := facts.Of(payloadOf(1, 0), time.Now()).Kind; kind != "block_payload" {
		t.Errorf("kind %q", kind)
	}
}
