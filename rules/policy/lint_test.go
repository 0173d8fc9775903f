package policy

import (
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
		all = append(all, w.String())
	}
	return all
}

func TestLint(t *testing.T) {
	t.Parallel()
	const (
		limits = `limits: [{measure: signatures, max: 9, window: 1h}]`
		good   = `id: good, effect: allow, match: {principal: local, account: payer, to: payees, plain: true, value_max: "1 ether", gas_max: 30000}, ` + limits
		deny   = `id: unbounded, effect: deny, match: {amount: unlimited}`
	)
	for name, tt := range map[string]struct {
		rules []string
		want  []string // what each warning has in it
	}{
		"nothing":                   {[]string{good, deny}, nil},
		"no principal":              {[]string{`id: a, effect: allow, match: {to: payees, plain: true}, ` + limits}, []string{"line 11: rule a allows whoever asks: add principal"}},
		"no limit":                  {[]string{`id: a, effect: allow, match: {principal: local, to: payees, plain: true}`}, []string{"allows without a limit"}},
		"listing needs none":        {[]string{`id: a, effect: allow, match: {principal: local, kind: list}`}, nil},
		"people are a limit":        {[]string{`id: a, effect: allow, match: {principal: local, to: payees, plain: true}, approvals: g`}, nil},
		"nobody in particular":      {[]string{`id: a, effect: allow, match: {principal: local, call: transfer, amount_max: "1 USDC"}, ` + limits}, []string{"says not who is paid"}},
		"recipient":                 {[]string{`id: a, effect: allow, match: {principal: local, call: transfer, recipient: payees}, ` + limits}, nil},
		"every call":                {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits}, []string{"allows every call, approvals without a bound among them"}},
		"every call, with a denial": {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, deny}, nil},
		"a denial of some":          {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, `id: d, effect: deny, match: {amount: unlimited, token: USDC}`}, []string{"allows every call"}},
		"a denial in shadow":        {[]string{`id: a, effect: allow, match: {principal: local, to: payees}, ` + limits, `id: d, mode: shadow, effect: deny, match: {amount: unlimited}`}, []string{"allows every call"}},
		"approve":                   {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: [transfer, approve]}, ` + limits}, []string{"allows approvals without a bound: add amount_max"}},
		"approve with a bound":      {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: approve, amount_max: "1 USDC"}, ` + limits}, nil},
		"effects":                   {[]string{`id: a, effect: allow, match: {principal: local, to: payees, effect: [approve_all]}, ` + limits}, []string{"allows approvals without a bound"}},
		"inner any":                 {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall, inner: any}, ` + limits}, []string{"line 11: rule a allows any call within its calls"}},
		"inner any within":          {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall, inner: [{call: multicall, inner: any}]}, ` + limits}, []string{"allows any call within"}},
		"a creation":                {[]string{`id: a, effect: allow, match: {principal: local, create: true, inner: any}, ` + limits}, nil},
		"never, deny":               {[]string{good, `id: d, effect: deny, match: {to: payer, value_max: "1 wei", value_min: "2 wei"}`}, []string{"line 12: rule d denies nothing: no amount is both at least 2 wei and at most 1 wei"}},
		"never, allow":              {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "1 USDC", amount_min: "1 DAI"}, ` + limits}, []string{"allows nothing"}},
		"the wrong way round":       {[]string{good, `id: d, effect: deny, match: {to: payer, value_max: "1 ether"}`}, []string{"use value_min"}},
		"the wrong way, with both":  {[]string{good, `id: d, effect: deny, match: {to: payer, value_max: "1 ether", value_min: "1 wei"}`}, nil},
		"gas the wrong way round":   {[]string{good, `id: d, effect: deny, match: {to: payer, gas_max: 5}`}, []string{"put gas_max into the rules that allow"}},
		"shadowed by itself":        {[]string{good, strings.Replace(good, "id: good", "id: again", 1)}, []string{"line 12: rule again never decides: rule good (line 11) comes first"}},
		"shadowed by less": {
			[]string{strings.Replace(good, "gas_max: 30000", `gas_max: 40000, chain: [mainnet, 5]`, 1), `id: b, effect: allow, match: {principal: local, account: payer, to: "0x4444444444444444444444444444444444444444", plain: true, value_max: "0.5 ether", gas_max: 21000, chain: 5}, ` + limits},
			[]string{"rule b never decides"},
		},
		"wider in one word":       {[]string{good, strings.Replace(strings.Replace(good, "id: good", "id: b", 1), "30000", "30001", 1)}, nil},
		"wider in a set":          {[]string{good, strings.Replace(strings.Replace(good, "id: good", "id: b", 1), "to: payees", "to: [payees, payer]", 1)}, nil},
		"without a word":          {[]string{good, strings.Replace(strings.Replace(good, "id: good", "id: b", 1), "plain: true, ", "call: transfer, ", 1)}, nil},
		"shadowed by a shadow":    {[]string{strings.Replace(good, "id: good", "id: s, mode: shadow", 1), good}, nil},
		"inner is not shadowed":   {[]string{`id: a, effect: allow, match: {principal: local, to: payees, call: multicall}, ` + limits, `id: b, effect: allow, match: {principal: local, to: payees, call: multicall, inner: [{call: transfer}]}, ` + limits}, nil},
		"amounts of two tokens":   {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "5 USDC"}, ` + limits, `id: b, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "4 DAI"}, ` + limits}, nil},
		"amounts of one token":    {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "5 USDC"}, ` + limits, `id: b, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "4 USDC"}, ` + limits}, []string{"rule b never decides"}},
		"larger amounts":          {[]string{`id: a, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "5 USDC"}, ` + limits, `id: b, effect: allow, match: {principal: local, recipient: payees, call: transfer, amount_max: "6 USDC"}, ` + limits}, nil},
		"denied by a later rule":  {[]string{good, `id: d, effect: deny, match: {account: payer}`}, []string{"rule good never allows: rule d (line 12) denies all that it matches"}},
		"denied by a part of it":  {[]string{good, `id: d, effect: deny, match: {account: payer, chain: mainnet}`}, nil},
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
