package policy

import (
	"slices"
	"strings"
	"testing"
)

// lintOf lints rules with the names of the word tests. Each is one line, from
// line 11 on.
func lintOf(t *testing.T, lines ...string) []string {
	t.Helper()
	head, _, _ := strings.Cut(wordScope, "  - {id: it")
	p, err := Load("lint.yaml", []byte(head+"  - {"+strings.Join(lines, "}\n  - {")+"}\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, w := range Lint(p) {
		if w.ID != anyChain { // which has a test of its own
			all = append(all, w.String())
		}
	}
	return all
}

func TestLint(t *testing.T) {
	t.Parallel()
	const (
		fee    = `{measure: spend, max: "1 ether", window: 1h}`
		counts = `limits: [{measure: signatures, max: 9, window: 1h}, {measure: gas_cost, max: "1 ether", window: 1h}]`
		limits = `limits: [{measure: signatures, max: 9, window: 1h}, ` + fee + `]`
		good   = `id: good, effect: allow, match: {principal: local, account: payer, to: payees, plain: true, value_max: "1 ether", gas_max: 30000}, ` + limits
		most   = `id: most, effect: deny, match: {effect: [approve, permit, approve_all]}`
		deny   = `id: none, effect: deny, match: {effect: [approve, permit, approve_all, transfer]}`
		all    = `id: unbounded, effect: deny, match: {amount: unlimited}`
		usdc   = `limits: [{measure: amount, max: "9 USDC", window: 1h}, ` + fee + `]`
	)
	for name, tt := range map[string]struct {
		rules []string
		want  []string // what each warning has in it
	}{
		"nothing":                            {[]string{good, deny}, nil},
		"no principal":                       {[]string{`id: a, effect: allow, match: {to: payees, plain: true}, ` + limits}, []string{"line 11: rule a allows whoever asks: add principal"}},
		"no limit":                           {[]string{`id: a, effect: allow, match: {principal: local, to: payees, plain: true, spend_max: "1 ether"}`}, []string{"allows without a limit"}},
		"listing needs none":                 {[]string{`id: a, effect: allow, match: {principal: local, kind: list}`}, nil},
		"people are a limit":                 {[]string{`id: a, effect: allow, match: {principal: local, to: payees, plain: true, gas_max: 21000, fee_cap_max: "9 gwei"}, approvals: g`}, nil},
		"nobody in particular":               {[]string{`id: a, effect: allow, match: {principal: local, call: transfer, amount_max: "1 USDC"}, ` + limits}, []string{"says not who is paid"}},
		"recipient":                          {[]string{`id: a, effect: allow, match: {principal: local, call: transfer, recipient: payees, amount_max: "1 USDC"}, ` + limits}, nil},
		"every call":                         {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits}, []string{"allows every call, approvals without a bound among them"}},
		"every call, with a denial":          {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, deny}, nil},
		"every call, with most denied":       {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, most}, []string{"allows every call, transfers of all tokens to anyone among them"}},
		"every call, with two denials":       {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, most, `id: d, effect: deny, match: {to: payees, effect: transfer}`}, nil},
		"every call, with others denied":     {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, most, `id: d, effect: deny, match: {to: payer, effect: transfer}`}, []string{"allows every call"}},
		"a denial of some":                   {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, `id: d, effect: deny, match: {amount: unlimited, token: USDC}`}, []string{"allows every call"}},
		"a denial in shadow":                 {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, `id: d, mode: shadow, effect: deny, match: {amount: unlimited}`}, []string{"allows every call"}},
		"approve":                            {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: [deposit, approve]}, ` + limits}, []string{"allows approvals without a bound: add amount_max"}},
		"approve with a bound":               {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: approve, amount_max: "1 USDC"}, ` + limits}, nil},
		"every call, much is denied":         {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, all}, []string{"or a rule that denies {effect: [approve, permit, approve_all, transfer]}"}},
		"every call, permits are denied":     {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, `id: d, effect: deny, match: {effect: permit}`}, []string{"allows every call"}},
		"approve, much is denied":            {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: [deposit, approve]}, ` + limits, all}, []string{"allows approvals without a bound: add amount_max, or a limit {measure: amount, ..} on the token"}},
		"permits, much is denied":            {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, effect: [permit]}, ` + limits, all}, []string{"allows approvals without a bound"}},
		"operators, all is denied":           {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: setApprovalForAll}, ` + limits, all}, nil},
		"approve, within a limit":            {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, token: USDC, to: payees, call: approve}, ` + usdc}, nil},
		"approve, within one of its token":   {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", call: approve}, ` + usdc}, nil},
		"approve, within one of another":     {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, token: [USDC, DAI], to: payees, call: approve}, ` + usdc}, []string{"allows approvals without a bound"}},
		"approve, within one of any":         {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: approve}, limits: [{measure: amount, max: 99, per: [token], window: 1h}, ` + fee + `]`}, nil},
		"approve, within a limit of most":    {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: approve}, limits: [{measure: amount, max: "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", per: [token], window: 1h}, ` + fee + `]`}, []string{"allows approvals without a bound"}},
		"approve, denied":                    {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: [deposit, approve]}, ` + limits, `id: d, effect: deny, match: {call: approve}`}, nil},
		"approve, denied by its effect":      {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: approve}, ` + limits, `id: d, effect: deny, match: {effect: approve}`}, nil},
		"approve, by its types, denied":      {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: "approve(address,uint256)"}, ` + limits, `id: d, effect: deny, match: {call: approve}`}, nil},
		"other approvals, approve is denied": {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: [approve, setApprovalForAll, permit]}, ` + limits, `id: d, effect: deny, match: {call: approve}`}, []string{"allows approvals without a bound"}},
		"effects, approve is denied":         {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, effect: [approve]}, ` + limits, `id: d, effect: deny, match: {call: approve}`}, []string{"allows approvals without a bound"}},
		"every call, approve is denied":      {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, `id: d, effect: deny, match: {call: approve}`}, []string{"allows every call"}},
		"approve as a function":              {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, function: "approve(address spender, uint256 amount)"}, ` + limits}, []string{"allows approvals without a bound"}},
		"approve as a function, denied":      {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, function: "approve(address,uint256)"}, ` + limits, deny}, nil},
		"approve as a function, with args":   {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, function: "approve(address,uint256)", args: {"1": {max: 5}}}, ` + limits}, nil},
		"another function":                   {[]string{`id: a, effect: allow, match: {principal: local, to: payees, function: "approved(address,uint256)"}, ` + limits}, nil},
		"an operator":                        {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: authorizeOperator}, ` + limits}, []string{"allows approvals without a bound"}},
		"approve and call":                   {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, call: approveAndCall}, ` + limits}, []string{"allows approvals without a bound"}},
		"approve within":                     {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall, inner: [{call: multicall, inner: [{recipient: payees, call: approve}]}]}, ` + limits}, []string{"allows approvals without a bound"}},
		"approve within a bound":             {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall, inner: [{recipient: payees, call: approve, amount_max: "1 USDC"}]}, ` + limits}, nil},
		"every call within":                  {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall, inner: [{to: payees}]}, ` + limits}, []string{"allows every call"}},
		"ether from a bound on":              {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: deposit, value_min: "1 ether"}, ` + counts}, []string{"allows any ether: add value_max"}},
		"ether from a bound on, within":      {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall, inner: [{call: deposit, value_min: "1 ether"}]}, ` + counts}, []string{"allows any ether: add value_max"}},
		"ether between bounds":               {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: deposit, value_min: "1 ether", value_max: "2 ether"}, ` + counts}, nil},
		"ether that is spent at most":        {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: deposit, value_min: "1 ether", spend_max: "2 ether"}, ` + counts}, nil},
		"effects":                            {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, to: payees, effect: [approve_all]}, ` + limits}, []string{"allows approvals without a bound"}},
		"inner any":                          {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall, inner: any}, ` + limits}, []string{"line 11: rule a allows any call within its calls"}},
		"inner any within":                   {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall, inner: [{call: multicall, inner: any}]}, ` + limits}, []string{"allows any call within"}},
		"a creation":                         {[]string{`id: a, effect: allow, match: {principal: local, create: true, inner: any}, ` + limits}, nil},
		"never, deny":                        {[]string{good, `id: d, effect: deny, match: {to: payer, value_max: "1 wei", value_min: "2 wei"}`}, []string{"line 12: rule d denies nothing: no amount is both at least 2 wei and at most 1 wei"}},
		"never, allow":                       {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "1 USDC", amount_min: "1 DAI"}, ` + limits}, []string{"allows nothing"}},
		"the wrong way round":                {[]string{good, `id: d, effect: deny, match: {to: payer, value_max: "1 ether"}`}, []string{"use value_min"}},
		"the wrong way, with both":           {[]string{good, `id: d, effect: deny, match: {to: payer, value_max: "1 ether", value_min: "1 wei"}`}, nil},
		"gas the wrong way round":            {[]string{good, `id: d, effect: deny, match: {to: payer, gas_max: 5}`}, []string{"put gas_max into the rules that allow"}},
		"shadowed by itself":                 {[]string{good, strings.Replace(good, "id: good", "id: again", 1)}, []string{"line 12: rule again never decides: rule good (line 11) comes first"}},
		"shadowed by less": {
			[]string{strings.Replace(good, "gas_max: 30000", `gas_max: 40000, chain: [mainnet, 5]`, 1), `id: b, effect: allow, match: {principal: local, account: payer, to: "0x4444444444444444444444444444444444444444", plain: true, value_max: "0.5 ether", gas_max: 21000, chain: 5}, ` + limits},
			[]string{"rule b never decides"},
		},
		"wider in one word":        {[]string{good, strings.Replace(strings.Replace(good, "id: good", "id: b", 1), "30000", "30001", 1)}, nil},
		"wider in a set":           {[]string{good, strings.Replace(strings.Replace(good, "id: good", "id: b", 1), "to: payees", "to: [payees, payer]", 1)}, nil},
		"without a word":           {[]string{good, strings.Replace(strings.Replace(good, "id: good", "id: b", 1), "plain: true, ", `call: transfer, recipient: payees, amount_max: "1 USDC", `, 1)}, nil},
		"shadowed by a shadow":     {[]string{strings.Replace(good, "id: good", "id: s, mode: shadow", 1), good}, nil},
		"inner is not shadowed":    {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall}, ` + limits, `id: b, effect: allow, match: {principal: local, to: payees, call: multicall, inner: [{call: transfer, recipient: payees, amount_max: "5 USDC"}]}, ` + limits}, nil},
		"amounts of two tokens":    {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "5 USDC"}, ` + limits, `id: b, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "4 DAI"}, ` + limits}, nil},
		"amounts of one token":     {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "5 USDC"}, ` + limits, `id: b, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "4 USDC"}, ` + limits}, []string{"rule b never decides"}},
		"larger amounts":           {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "5 USDC"}, ` + limits, `id: b, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "6 USDC"}, ` + limits}, nil},
		"denied by a later rule":   {[]string{good, `id: d, effect: deny, match: {account: payer}`}, []string{"rule good never allows: rule d (line 12) denies all that it matches"}},
		"denied by a part of it":   {[]string{good, `id: d, effect: deny, match: {account: payer, chain: mainnet}`}, nil},
		"text":                     {[]string{`id: a, effect: allow, match: {principal: local, kind: text}, ` + limits}, []string{"line 11: rule a may sign 32 bytes that are another contract's digest"}},
		"text that can be printed": {[]string{`id: a, effect: allow, match: {principal: local, text: {printable: true, max_bytes: 32}}, ` + limits}, []string{"add siwe, or text with exact or with a prefix of 12 bytes or more"}},
		"text, a short prefix":     {[]string{`id: a, effect: allow, match: {principal: local, text: {prefix: "elevenbytes"}}, ` + limits}, []string{"another contract's digest"}},
		"text, a prefix":           {[]string{`id: a, effect: allow, match: {principal: local, text: {prefix: "twelve bytes"}}, ` + limits}, nil},
		"text, exact":              {[]string{`id: a, effect: allow, match: {principal: local, text: {exact: "yes"}}, ` + limits}, nil},
		"text, shorter":            {[]string{`id: a, effect: allow, match: {principal: local, text: {max_bytes: 31}}, ` + limits}, nil},
		"text, a sign-in":          {[]string{`id: a, effect: allow, match: {principal: local, siwe: {domain: app.example}}, ` + limits}, nil},
		"text among others":        {[]string{`id: a, effect: allow, match: {principal: local, kind: [text, clique_header]}, ` + limits}, []string{"another contract's digest"}},
		"data":                     {[]string{`id: a, effect: allow, match: {principal: local, kind: validator}, ` + limits}, []string{"leave the kind validator out"}},
		"a header":                 {[]string{`id: a, effect: allow, match: {principal: local, kind: clique_header}, ` + limits}, nil},
		"text has no chain":        {[]string{`id: a, effect: allow, match: {principal: local, to: payees, chain: mainnet, call: deposit}, ` + limits, `id: b, effect: allow, match: {principal: local, chain: mainnet}, ` + limits, deny}, []string{"says not who is paid"}},
		"not by this method":       {[]string{`id: a, effect: allow, match: {principal: local, method: [eth_signTransaction, account_signTypedData]}, ` + limits, deny}, []string{"says not who is paid"}},
		"by this method":           {[]string{`id: a, effect: allow, match: {principal: local, method: [eth_signTransaction, account_signData]}, ` + limits, deny}, []string{"another contract's digest", "validator", "says not who is paid"}},
		"by a method of nobody":    {[]string{`id: a, effect: allow, match: {principal: local, method: my_sign, text: {printable: true}}, ` + limits, deny}, []string{"another contract's digest"}},
		"listing by its method":    {[]string{`id: a, effect: allow, match: {principal: local, method: account_list}`}, nil},
		"payloads of any chain":    {[]string{`id: a, effect: allow, match: {principal: local, kind: block_payload, payload_domain: "0x0000000000000000000000000000000000000000000000000000000000000000"}, ` + limits}, []string{"line 11: rule a signs block payloads of any chain or domain"}},
		"payloads of any domain":   {[]string{`id: a, effect: allow, match: {principal: local, method: opsigner_signBlockPayloadV2, chain: mainnet}, ` + limits}, []string{"signs block payloads of any chain or domain"}},
		"payloads among others":    {[]string{`id: a, effect: allow, match: {principal: local, kind: [clique_header, block_payload]}, ` + limits}, []string{"signs block payloads of any chain or domain"}},
		"payloads":                 {[]string{`id: a, effect: allow, match: {principal: local, chain: mainnet, payload_domain: "0x0000000000000000000000000000000000000000000000000000000000000000"}, ` + limits}, nil},
		"payloads without a limit": {[]string{`id: a, effect: allow, match: {principal: local, chain: mainnet, payload_domain: "0x0000000000000000000000000000000000000000000000000000000000000000"}`}, []string{"allows without a limit"}},
		"text is denied":           {[]string{good, `id: d, effect: deny, match: {kind: text}`}, nil},

		"denied by another's way": {[]string{good, `id: d, effect: deny, match: {to: payees}`}, []string{"rule good never allows"}},
	} {
		got := lintOf(t, tt.rules...)
		ok := len(got) == len(tt.want)
		for i := range min(len(got), len(tt.want)) {
			ok = ok && strings.Contains(got[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%s:\n%s\nwant %q", name, strings.Join(got, "\n"), tt.want)
		}
	}
}

// TestLintBudgets: what a budget counts has a limit.
func TestLintBudgets(t *testing.T) {
	t.Parallel()
	const pay = `match: {principal: local, to: payees, plain: true, spend_max: "1 ether"}`
	for budget, warned := range map[string]bool{
		"": true,
		`{id: all, measure: spend, max: 1 ether, window: 1h, match: {any: true}}`:          false,
		`{id: all, measure: spend, max: 1 ether, window: 1h, match: {to: payer}}`:          true,
		`{id: all, measure: amount, max: "1 USDC", window: 1h, match: {any: true}}`:        true, // of which a payment has none
		`{id: all, measure: signatures, max: 9, window: 1h, match: {kind: [transaction]}}`: false,
	} {
		if got := idsOf(t, budget, pay); strings.Contains(got, noLimit) != warned {
			t.Errorf("%s: %q", budget, got)
		}
	}
}

// TestOtherWords: who writes what others call a word is told ours.
func TestOtherWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`rules: [{id: a, action: allow, match: {any: true}}]`:                                                               `unknown key "action"; did you mean effect`,
		`rules: [{id: a, effect: allow, match: {max_value: 1 ether}}]`:                                                      `unknown word "max_value"; did you mean value_max`,
		`rules: [{id: a, effect: allow, match: {any: true}, limits: [{measure: value, max: 1 ether, period: 24h}]}]`:        `unknown key "period"; did you mean window`,
		`rules: [{id: a, effect: allow, match: {any: true}, limits: [{measure: value, max: 1 ether, window: "24 hours"}]}]`: `not "24 hours"; did you mean 24h`,
		`rules: [{id: a, effect: allow, match: {any: true}, limits: [{measure: value, max: 1 ether, window: "30 min"}]}]`:   `not "30 min"; did you mean 30m`,
	} {
		_, err := Load("words.yaml", []byte("version: 1\n"+text+"\n"), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestLintChains: what may be signed for any chain is told, unless a word names the chain.
func TestLintChains(t *testing.T) {
	t.Parallel()
	for match, warned := range map[string]bool{
		`to: payees, plain: true`:                   true,
		`to: payees, plain: true, chain: [mainnet]`: false,
		`any: true`:           true,
		`kind: text`:          false,
		`kind: list`:          false,
		`kind: block_payload`: false, // which has a warning of its own
		`create: true`:        false,
		`call: transfer, token: USDC, recipient: payees`:                           false,
		`call: transfer, token: [USDC, DAI], recipient: payees`:                    false,
		`call: transfer, amount_max: "5 USDC", recipient: payees`:                  false,
		`call: transfer, token: "0x4444444444444444444444444444444444444444"`:      true,
		`to: payees, call: multicall, inner: [{token: USDC}]`:                      true,
		`kind: typed_data, primary_type: Order, domain: {name: x}`:                 true,
		`kind: typed_data, primary_type: Order, domain: {name: x, chain: mainnet}`: false,
	} {
		head, _, _ := strings.Cut(wordScope, "  - {id: it")
		p, err := Load("lint.yaml", []byte(head+"  - {id: a, effect: allow, match: {"+match+"}}\n  - {id: d, effect: deny, match: {to: payees}}\n"), Options{})
		if err != nil {
			t.Fatalf("%s: %v", match, err)
		}
		got := slices.ContainsFunc(Lint(p), func(w Warning) bool { return w.ID == anyChain })
		if got != warned {
			t.Errorf("%s: %v, want %v", match, got, warned)
		}
	}
}

// TestLintAccepts: a rule accepts its own warnings, by their ids, and what it
// accepts in vain is told.
func TestLintAccepts(t *testing.T) {
	t.Parallel()
	const open = `effect: allow, match: {principal: local, to: payees, plain: true, spend_max: "1 ether"}`
	for name, tt := range map[string]struct {
		rules    []string
		want     []string // ids of what is left
		accepted int
	}{
		"nothing":     {[]string{`id: a, ` + open}, []string{"no-limit"}, 0},
		"it":          {[]string{`id: a, ` + open + `, accept: {no-limit: "it is a test"}`}, nil, 1},
		"another one": {[]string{`id: a, ` + open + `, accept: {any-call: "it is a test"}`}, []string{"no-limit", "accept-unneeded"}, 0},
		"no such one": {[]string{`id: a, ` + open + `, accept: {no-limits: "it is a test"}`}, []string{"no-limit", "accept-unknown"}, 0},
		"of another rule": {
			[]string{`id: a, ` + open + `, accept: {no-limit: "it is a test"}`, `id: b, effect: allow, match: {principal: local, to: payer, plain: true, spend_max: "1 ether"}`}, []string{"no-limit"}, 1,
		},
		"of a rule before": {
			[]string{`id: a, effect: allow, match: {principal: local, to: payer, plain: true, spend_max: "1 ether"}`, `id: b, ` + open + `, accept: {no-limit: "it is a test"}`}, []string{"no-limit"}, 1,
		},
		"several":               {[]string{`id: a, effect: allow, match: {any: true}, accept: {no-limit: "a", any-principal: "b", any-recipient: "c", any-call: "d", signs-digests: "e", signs-validator: "f", unbounded-fee: "g", unbounded-value: "h"}`}, nil, 8},
		"text, but not data":    {[]string{`id: a, effect: allow, match: {principal: local, kind: [text, validator]}, approvals: g, accept: {signs-digests: "our texts"}`}, []string{"signs-validator"}, 1},
		"in a rule that denies": {[]string{`id: d, effect: deny, match: {gas_max: 5}, accept: {denies-less: "it is a test"}`}, nil, 1},
		"twice the same":        {[]string{`id: d, effect: deny, match: {gas_max: 5, nonce_max: 3}, accept: {denies-less: "it is a test"}`}, nil, 2},
	} {
		head, _, _ := strings.Cut(wordScope, "  - {id: it")
		p, err := Load("lint.yaml", []byte(head+"  - {"+strings.Join(tt.rules, "}\n  - {")+"}\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		accepted := 0
		for _, w := range Lint(p) {
			switch {
			case w.ID == anyChain:
				continue // which has a test of its own
			case w.Accepted != "":
				accepted++
				continue
			}
			left = append(left, w.ID)
		}
		if !slices.Equal(left, tt.want) || accepted != tt.accepted {
			t.Errorf("%s: %q, %d accepted; want %q, %d", name, left, accepted, tt.want, tt.accepted)
		}
	}
}

// TestEveryWarningIsKnown: each that is given can be accepted, but for those of
// accepting.
func TestEveryWarningIsKnown(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, rule := range []string{
		`id: a, effect: allow, match: {any: true, inner: any}`,
		`id: a, effect: allow, match: {call: approve, amount_min: "2 USDC"}`,
		`id: a, effect: allow, match: {value_min: "2 wei", value_max: "1 wei"}`,
		`id: a, effect: deny, match: {value_max: "1 wei"}`,
		`id: a, effect: allow, match: {value_min: "2 wei"}`,
		`id: a, effect: allow, match: {kind: block_payload}`,
		`id: a, effect: allow, match: {to: payees, call: transfer}, limits: [{measure: value, max: "1 wei", window: 1h, per: [recipient]}]`,
		`id: a, effect: allow, match: {value_max: "1 wei"}, limits: [{measure: value, max: "1 wei", window: 1h, per: [recipient]}]`,
		`id: a, effect: allow, match: {plain: true}, limits: [{measure: amount, max: "1 USDC", window: 1h}]`,
		`id: a, effect: allow, match: {kind: text}}, {id: b, effect: deny, match: {kind: text}`,
	} {
		head, _, _ := strings.Cut(wordScope, "  - {id: it")
		p, err := Load("lint.yaml", []byte(strings.Replace(head, "rules:\n", "rules: [{", 1)+rule+"}]\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range Lint(p) {
			if !slices.Contains(warningNames(), w.ID) {
				t.Errorf("%s can't be accepted", w.ID)
			}
			seen[w.ID] = true
		}
	}
	for _, id := range warningNames() {
		if !seen[id] {
			t.Errorf("nothing has the warning %s", id)
		}
	}
}
