package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// TestGroups: what a group of approvals says, and what it says without a word.
func TestGroups(t *testing.T) {
	t.Parallel()
	people := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("p%d", i)
		}
		return strings.Join(names, ",")
	}
	for line, want := range map[string]struct {
		expires, wait time.Duration
		requester     bool
		problem       string
	}{
		"threshold: 1, of: [alice]": {time.Hour, 20 * time.Second, false, ""},
		"threshold: 1, of: [alice], expires: 5m, wait: 0s, requester: included":  {5 * time.Minute, 0, true, ""},
		"threshold: 1, of: [alice], expires: 1m":                                 {time.Minute, 20 * time.Second, false, ""},
		"threshold: 1, of: [alice], expires: 30d, wait: 5m, requester: excluded": {30 * 24 * time.Hour, 5 * time.Minute, false, ""},
		"threshold: 100, of: [" + people(maxMembers) + "]":                       {time.Hour, 20 * time.Second, false, ""},
		"threshold: 1, of: [" + people(maxMembers+1) + "]":                       {problem: "101 people are more than 100"},
		"threshold: 0, of: [alice]":                                              {problem: "0 people approve nothing"},
		"threshold: 2, of: [alice]":                                              {problem: "2 of 1 people can't approve"},
		"threshold: 2, of: [alice, alice]":                                       {problem: "stands here twice"},
		"threshold: two, of: [alice, bob]":                                       {problem: "want a whole number"},
		"threshold: 1, of: [alice], expires: 31d":                                {problem: "is not from 1m to 30d"},
		"threshold: 1, of: [alice], expires: 59s":                                {problem: "is not from 1m to 30d"},
		"threshold: 1, of: [alice], wait: 6m":                                    {problem: "is not from 0s to 5m"},
	} {
		p, err := Load("p", []byte("version: 1\napprovals: {g: {"+line+"}}\nrules: [{id: a, effect: allow, match: {any: true}, approvals: g}]\n"), Options{})
		if want.problem != "" {
			if err == nil || !strings.Contains(err.Error(), want.problem) {
				t.Errorf("%.60s: %v, want %q", line, err, want.problem)
			}
			continue
		}
		if err != nil {
			t.Errorf("%.60s: %v", line, err)
			continue
		}
		if g := p.rules[0].Approvals; g.Expires != want.expires || g.Wait != want.wait || g.Requester != want.requester {
			t.Errorf("%.60s: %+v", line, g)
		}
		if got, _, err := p.Evaluate(t.Context(), &rules.Request{Kind: rules.KindText}); err != nil || len(got.Quorums) != 1 || got.Quorums[0] != p.rules[0].Approvals {
			t.Errorf("%.60s: asks %v, %v", line, got.Quorums, err)
		}
	}
}

// TestTokensWithoutDecimals: a collection has none unless it says so.
func TestTokensWithoutDecimals(t *testing.T) {
	t.Parallel()
	const source = `version: 1
tokens: {ITEM: {chain: 1, address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", standard: erc1155}}
rules: [{id: a, effect: allow, match: {amount_max: 5 ITEM}}]
`
	p, err := Load("p", []byte(source), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for amount, want := range map[uint64]truth{5: isTrue, 6: isFalse} {
		f := calling(&usdc, 0, "")
		f.Actions = []facts.Action{{To: &usdc, Effects: []facts.Effect{{Token: usdc, Amount: *uint256.NewInt(amount)}}}}
		if got := p.rules[0].Match.Effects[0].test(&subject{Facts: f, action: &f.Actions[0], effect: &f.Actions[0].Effects[0]}); got != want {
			t.Errorf("%d: %v", amount, got)
		}
	}
}

// TestNamesThatMeanSomethingElse can't be given to accounts, lists or tokens.
func TestNamesThatMeanSomethingElse(t *testing.T) {
	t.Parallel()
	address := common.Address{1}.Hex()
	for section, want := range map[string]string{
		"accounts: {self: \"" + address + "\"}":                                 "means something else",
		"accounts: {none: \"" + address + "\"}":                                 "means something else",
		"accounts: {any: \"" + address + "\"}":                                  "means something else",
		"lists: {self: [\"" + address + "\"]}":                                  "means something else",
		"lists: {any: [\"" + address + "\"]}":                                   "means something else",
		"accounts: {a: \"" + address + "\"}\nlists: {a: [\"" + address + "\"]}": "means something else",
		"tokens: {gwei: {chain: 1, address: \"" + address + "\", decimals: 6}}": "is a unit of ether",
	} {
		_, err := Load("p", []byte("version: 1\n"+section+"\nrules: [{id: a, effect: deny, match: {any: true}}]\n"), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", section, err)
		}
	}
}

// TestLimitsThatCantBeMeasured are told when the policy is loaded, and not when it
// refuses everything.
func TestLimitsThatCantBeMeasured(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`measure: value, max: 1 ether, window: 24h, per: [token]`:                                                               "per token is for the measure amount",
		`measure: argument, max: 1, window: 24h, function: "f(uint256)", argument: 0, per: [argument]`:                          "per argument",
		`measure: argument, max: 1, window: 24h, function: "f(address)", argument: 0`:                                           "only unsigned numbers",
		`measure: amount, max: 3, window: 24h, token: APE`:                                                                      "is a collection",
		`measure: amount, max: 3 APE, window: 24h`:                                                                              "is a collection",
		`measure: value, max: 1 ether, window: 24h, token: USDC`:                                                                "token is for the measure amount",
		`measure: amount, max: 5 DAI, window: 24h, token: USDC`:                                                                 "is no amount of USDC",
		`measure: signatures, max: 115792089237316195423570985008687907853269984665640564039457584007913129639936, window: 24h`: "want a whole number",
		`measure: signatures, max: -1, window: 24h`:                                                                             "is not from 0",
		`measure: signatures, max: 1, window: 367d`:                                                                             "is not from 1s to 366d",
	} {
		_, err := Load("p", []byte(`version: 1
tokens:
  USDC: {chain: 1, address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", decimals: 6}
  DAI: {chain: 1, address: "0x00000000000000000000000000000000000000da", decimals: 18}
  APE: {chain: 1, address: "0xbc4ca0eda7647a8ab7c2061c2e118a18a936f13d", standard: erc721}
rules: [{id: a, effect: allow, match: {any: true}, limits: [{`+line+"}]}]\n"), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// TestWordsThatLookAlike are not taken for the same, which rules would share.
func TestWordsThatLookAlike(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{
		{"message: {a: {max: 5}, min: 4}", "message: {a: {max: 5, min: 4}}"},
		{"message: {a: 5}", `message: {a: "5"}`},
		{"principal: [ab, c]", "principal: [a, bc]"},
		{`principal: "ab"`, "principal: [ab]"},
		{"principal: ab", "method: ab"},
	} {
		source := "version: 1\nrules:\n  - {id: a, effect: deny, match: {" + pair[0] + "}}\n  - {id: b, effect: deny, match: {" + pair[1] + "}}\n  - {id: c, effect: deny, match: {" + pair[1] + "}}\n"
		p, err := Load("p", []byte(source), Options{})
		if err != nil {
			t.Fatal(err)
		}
		one, other, again := p.rules[0].Match.Request[0], p.rules[1].Match.Request[0], p.rules[2].Match.Request[0]
		if one == other || other != again {
			t.Errorf("%s and %s: shared: %v, and with itself: %v", pair[0], pair[1], one == other, other == again)
		}
	}
}
