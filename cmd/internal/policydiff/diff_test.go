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
		{"one in a list or alone", "[list]", "list", ""},
		{"a value", `value_max: "1 ether"`, `value_max: "3 ether"`, "rule pay: match.value_max: was 1 ether, is 3 ether"},
		{"a word more", `to: friends,`, `to: friends, gas_max: 21000,`, "rule pay: match.gas_max: is new: 21000"},
		{"a word less", `principal: [local], `, ``, "rule pay: match.principal: is gone, was [local]"},
		{"a list", `"0xF39fd6e51aad88F6F4ce6aB8827279cffFb92266", `, ``, "lists.friends: removes 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"},
		{"one more in a list", `[local]`, `[local, payouts]`, "rule pay: match.principal: adds payouts"},
		{"a limit", `max: "2 ether"`, `max: "5 ether"`, "rule pay, limit value: max: was 2 ether, is 5 ether"},
		{"a limit less", `      - {id: rate, measure: signatures, max: 3, window: 1h}` + "\n", ``, "rule pay, limit rate: is gone, was {id: rate, measure: signatures, max: 3, window: 1h}"},
		{"a budget", `max: "1 ether", window`, `max: "9 ether", window`, "budget gas: max: was 1 ether, is 9 ether"},
		{"a rule less", `  - {id: none, effect: deny, match: {create: true}}` + "\n", ``, "rule none: is gone, was {id: none, effect: deny, match: {create: true}}"},
		{"a rule more", `  - {id: list,`, "  - {id: more, effect: deny, match: {any: true}}\n  - {id: list,", "rule more: is new: {id: more, effect: deny, match: {any: true}}"},
		{"the effect", `{id: list, effect: allow`, `{id: list, effect: deny`, "rule list: effect: was allow, is deny"},
	} {
		changes, err := Of([]byte(before), []byte(strings.Replace(before, tt.old, tt.replacement, 1)))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, change := range changes {
			lines = append(lines, change.String())
		}
		if got := strings.Join(lines, "\n"); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	changes, err := Of([]byte("rules: [{id: a}, {id: b}]"), []byte("rules: [{id: b}, {id: a}, {id: c}]"))
	if err != nil || len(changes) != 2 || changes[1].String() != "order: was rule a, rule b, is rule b, rule a" {
		t.Errorf("%v, %v", changes, err)
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
