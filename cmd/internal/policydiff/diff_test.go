package policydiff

import (
	"strings"
	"testing"
)

const before = `
version: 1
chains: {mainnet: 1}
lists:
  friends: ["0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x71562b71999873DB5b286dF957af199Ec94617F7"]
budgets:
  - {id: gas, match: {chain: [mainnet]}, measure: gas_cost, max: "1 ether", window: 24h}
rules:
  - {id: none, effect: deny, match: {create: true}}
  - id: pay
    effect: allow
    match: {principal: [local], to: friends, value_max: "1 ether"}
    limits:
      - {measure: value, max: "2 ether", window: 24h}
      - {id: rate, measure: signatures, max: 3, window: 1h}
  - {id: list, effect: allow, match: {kind: [list]}}
`

func TestOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, replacement, want string }{
		{"nothing", "", "", ""},
		{"a comment", "rules:", "rules: # all of them", ""},
		{"the order of keys", `{create: true}`, `{create: true, }`, ""},
		{"the spelling of an address", "0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266", "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", ""},
		{"the unit of an amount", `value_max: "1 ether"`, `value_max: "1000000000 gwei"`, ""},
		{"the unit of a span", `max: "1 ether", window: 24h`, `max: "1 ether", window: 1d`, ""},
		{"one in a list or alone", "[list]", "list", ""},
		{"a value", `value_max: "1 ether"`, `value_max: "3 ether"`, "wider: rule pay: match.value_max: was 1 ether, is 3 ether"},
		{"a smaller value", `value_max: "1 ether"`, `value_max: "999999999 gwei"`, "narrower: rule pay: match.value_max: was 1 ether, is 999999999 gwei"},
		{"another unit", `value_max: "1 ether"`, `value_max: "1 USDC"`, "changed: rule pay: match.value_max: was 1 ether, is 1 USDC"},
		{"a word more", `to: friends,`, `to: friends, gas_max: 21000,`, "narrower: rule pay: match.gas_max: is new: 21000"},
		{"a word less", `principal: [local], `, ``, "wider: rule pay: match.principal: is gone, was [local]"},
		{"a list", `"0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266", `, ``, "narrower: lists.friends: removes 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"},
		{"one more in a list", `[local]`, `[local, payouts]`, "wider: rule pay: match.principal: adds payouts"},
		{"another in a list", `[local]`, `[payouts]`, "wider: rule pay: match.principal: adds payouts\nnarrower: rule pay: match.principal: removes local"},
		{"a limit", `max: "2 ether"`, `max: "5 ether"`, "wider: rule pay, limit value: max: was 2 ether, is 5 ether"},
		{"a limit less", `      - {id: rate, measure: signatures, max: 3, window: 1h}` + "\n", ``, "wider: rule pay, limit rate: is gone, was {id: rate, measure: signatures, max: 3, window: 1h}"},
		{"a longer window", `max: 3, window: 1h`, `max: 3, window: 1d`, "narrower: rule pay, limit rate: window: was 1h, is 1d: what was approved before counts for 1h alone, so that a maximum that is used up may be approved once more within the first 1d"},
		{"a shorter window", `max: 3, window: 1h`, `max: 3, window: 5m`, "wider: rule pay, limit rate: window: was 1h, is 5m"},
		{"a budget", `max: "1 ether", window`, `max: "9 ether", window`, "wider: budget gas: max: was 1 ether, is 9 ether"},
		{"a rule less", `  - {id: none, effect: deny, match: {create: true}}` + "\n", ``, "wider: rule none: is gone, was {id: none, effect: deny, match: {create: true}}"},
		{"a rule more", `  - {id: list,`, "  - {id: more, effect: deny, match: {any: true}}\n  - {id: list,", "narrower: rule more: is new: {id: more, effect: deny, match: {any: true}}"},
		{"a domain", `{kind: [list]}`, `{kind: [list], payload_domain: "0x00"}`, "narrower: rule list: match.payload_domain: is new: 0x00"},
		{"the effect", `{id: list, effect: allow`, `{id: list, effect: deny`, "narrower: rule list: effect: was allow, is deny"},
	} {
		if got := difference(t, before, strings.Replace(before, tt.old, tt.replacement, 1)); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// difference is what differs, a line each.
func difference(t *testing.T, before, after string) string {
	t.Helper()
	changes, err := Of([]byte(before), []byte(after))
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]string, len(changes))
	for i, change := range changes {
		lines[i] = change.String()
	}
	return strings.Join(lines, "\n")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	const (
		a, b, c = "{id: a, effect: allow}", "{id: b, effect: allow}", "{id: c, effect: allow}"
		d       = "{id: d, effect: deny}"
		order   = "changed: order: was rule a, rule b, is rule b, rule a"
	)
	of := func(rules ...string) string { return "rules: [" + strings.Join(rules, ", ") + "]" }
	for name, tt := range map[string]struct{ before, after, want string }{
		"another order":         {of(a, b), of(b, a), order},
		"with a new one":        {of(a, b), of(b, a, c), "wider: rule c: is new: {id: c, effect: allow}\n" + order},
		"with one less":         {of(a, c, b), of(b, a), order + "\nnarrower: rule c: is gone, was {id: c, effect: allow}"},
		"of a denial":           {of(d, a, b), of(a, b, d), ""},
		"of a rule in shadow":   {of("{id: s, mode: shadow, effect: allow}", a), of(a, "{id: s, mode: shadow, effect: allow}"), ""},
		"of budgets":            {"budgets: [{id: a}, {id: b}]", "budgets: [{id: b}, {id: a}]", ""},
		"of limits":             {"rules: [{id: a, limits: [{id: x}, {id: y}]}]", "rules: [{id: a, limits: [{id: y}, {id: x}]}]", ""},
		"in the middle, by one": {of(a, b), of(a, c, b), "wider: rule c: is new: {id: c, effect: allow}"},
	} {
		if got := difference(t, tt.before, tt.after); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, tt.want)
		}
	}
}

// FuzzOf finds texts that crash it, and files that differ from themselves.
func FuzzOf(f *testing.F) {
	f.Add([]byte(before), []byte("rules: [{id: b}]"))
	f.Add([]byte("rules: {}"), []byte("rules: x"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		_, _ = Of(a, b)
		if changes, err := Of(a, a); err == nil && len(changes) > 0 {
			t.Errorf("%q differs from itself: %v", a, changes)
		}
	})
}

// TestCapitalsOfAddresses don't count where an address stands, and do where a text
// may.
func TestCapitalsOfAddresses(t *testing.T) {
	t.Parallel()
	const address = "0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266"
	for in, same := range map[string]bool{
		`accounts: {hot: "%"}`: true,
		`lists: {l: ["%"]}`:    true,
		`tokens: {T: {chain: 1, address: "%", decimals: 6}}`:                         true,
		`rules: [{id: a, match: {to: ["%"], account: "%"}}]`:                         true,
		`rules: [{id: a, match: {domain: {contract: "%"}}}]`:                         true,
		`rules: [{id: a, match: {safe: {safe: "%", gas_token: "%"}}}]`:               true,
		`rules: [{id: a, match: {inner: [{to: "%", inner: [{recipient: ["%"]}]}]}}]`: true,
		`budgets: [{id: a, match: {token: "%"}}]`:                                    true,

		`rules: [{id: a, match: {domain: {name: "%"}}}]`:   false,
		`rules: [{id: a, match: {message: {to: "%"}}}]`:    false,
		`rules: [{id: a, match: {args: {to: {eq: "%"}}}}]`: false,
		`rules: [{id: a, match: {principal: ["%"]}}]`:      false,
		`rules: [{id: a, match: {text: {prefix: "%"}}}]`:   false,
		`rules: [{id: a, description: "%"}]`:               false,
	} {
		got := difference(t, strings.ReplaceAll(in, "%", address), strings.ReplaceAll(in, "%", strings.ToLower(address)))
		if (got == "") != same {
			t.Errorf("%s: %q", in, got)
		}
	}
}
