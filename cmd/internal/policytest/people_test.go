package policytest

import (
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
)

// asking has a budget over small and large payments, of which people approve the large.
const asking = `
version: 1
chains: {mainnet: 1}
accounts: {treasury: "0x71562b71999873db5b286df957af199ec94617f7"}
lists: {payees: ["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"]}
approvals: {finance: {threshold: 2, of: [local, ann, bob, eve], expires: 2h}}
budgets: [{id: day, measure: value, max: "2 ether", window: 24h, match: {account: treasury}}]
rules:
  - {id: small, effect: allow, match: {principal: [local], account: treasury, to: payees, plain: true, value_max: "0.5 ether"}}
  - {id: large, effect: allow, match: {principal: [local], account: treasury, to: payees, plain: true}, approvals: finance}
`

// TestPeople: what people are asked about counts as in a signer.
func TestPeople(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string]string{
		"an open question holds its limits": `
      - {transaction: {nonce: 0, value: 0.5 ether}}
      - {transaction: {nonce: 1, value: 0.5 ether}}
      - {transaction: {nonce: 2, value: 1 ether}, expect: {verdict: refer, rule: large, reason: finance}}
      - {transaction: {nonce: 3, value: 0.1 ether}, expect: {verdict: reject, reason: limit}}`,
		"so does one that is asked twice, once": `
      - {transaction: {nonce: 0, value: 1 ether}, expect: {verdict: refer, rule: large, reason: finance}}
      - {transaction: {nonce: 0, value: 1 ether}, expect: {verdict: refer, rule: large, reason: finance}}
      - {transaction: {nonce: 1, value: 0.5 ether}}
      - {transaction: {nonce: 2, value: 0.5 ether}}
      - {transaction: {nonce: 3, value: 0.1 ether}, expect: {verdict: reject, reason: limit}}`,
		"until it expires": `
      - {transaction: {nonce: 0, value: 2 ether}, expect: {verdict: refer}}
      - {time: 2026-01-05T11:59:59Z, transaction: {nonce: 1, value: 0.1 ether}, expect: {verdict: reject, reason: limit}}
      - {time: 2026-01-05T12:00:00Z, transaction: {nonce: 1, value: 0.1 ether}}
      - {time: 2026-01-05T12:05:00Z, transaction: {nonce: 0, value: 2 ether}, expect: {verdict: reject, reason: expired}}
      - {time: 2026-01-05T12:11:00Z, transaction: {nonce: 0, value: 1.5 ether}, expect: {verdict: refer}}`,
		"or people reject it": `
      - {transaction: {nonce: 0, value: 2 ether}, people: reject, expect: {verdict: refer, rule: large, reason: finance}}
      - {transaction: {nonce: 1, value: 0.5 ether}}
      - {transaction: {nonce: 0, value: 2 ether}, expect: {verdict: reject, reason: rejected}}`,
		"what they approve counts from then on": `
      - {transaction: {nonce: 0, value: 2 ether}, expect: {verdict: refer}}
      - {time: 2026-01-05T11:00:00Z, transaction: {nonce: 0, value: 2 ether}, people: approve, expect: {verdict: refer, rule: large}}
      - {time: 2026-01-06T10:30:00Z, transaction: {nonce: 1, value: 0.1 ether}, expect: {verdict: reject, reason: limit}}
      - {time: 2026-01-06T11:00:01Z, transaction: {nonce: 1, value: 0.1 ether}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, failure := range tried(t, steps) {
				t.Error(failure)
			}
		})
	}
	if got := tried(t, `[{transaction: {nonce: 0, value: 0.5 ether}, people: approve}]`); len(got) != 1 || !strings.Contains(got[0], "nobody was asked") {
		t.Errorf("an answer to nothing: %q", got)
	}
	_, err := Read("a.test.yaml", []byte("cases: [{people: maybe, request: {method: account_list}}]"), NamesOf([]byte(asking)))
	if err == nil || !strings.Contains(err.Error(), "people: want approve or reject") {
		t.Errorf("%v", err)
	}
}

// tried tries steps on the policy above, and returns what failed.
func tried(t *testing.T, steps string) []string {
	t.Helper()
	subject, err := NewSubject("policy.yaml", []byte(asking))
	if err != nil {
		t.Fatal(err)
	}
	suite, err := Read("policy.test.yaml", []byte(`
chain_id: 1
time: 2026-01-05T10:00:00Z
transaction: {from: treasury, to: payees, chainId: mainnet, gas: 21000, gasPrice: 1 gwei}
cases:
  - steps: `+steps), NamesOf([]byte(asking)))
	if err != nil {
		t.Fatal(err)
	}
	results, err := rulestest.Run(t.Context(), subject, suite.Cases[0].Case, "")
	if err != nil {
		t.Fatal(err)
	}
	var failures []string
	for _, result := range results {
		for _, failure := range result.Failures {
			failures = append(failures, failure+" ("+result.Reason+"; "+result.Note+")")
		}
	}
	return failures
}
