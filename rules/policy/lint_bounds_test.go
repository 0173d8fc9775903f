package policy

import "testing"

// TestLintCountless: a bound of more than 128 bits is as good as none, whatever has it.
func TestLintCountless(t *testing.T) {
	t.Parallel()
	const (
		some  = "340282366920938463463374607431768211455" // 2^128 - 1
		none  = "340282366920938463463374607431768211456"
		head  = `match: {principal: local, chain: mainnet, `
		count = `limits: [{measure: signatures, max: 9, window: 1h}`
		fee   = `gas_cost_max: "1 ether"}, `
	)
	for name, tt := range map[string]struct {
		rule func(most string) string
		want string
	}{
		"value_max": {func(n string) string {
			return head + `to: payees, plain: true, value_max: "` + n + ` wei", ` + fee + count + `]`
		}, unboundedValue},
		"a limit on value": {func(n string) string {
			return head + `to: payees, plain: true, ` + fee + count + `, {measure: value, max: "` + n + ` wei", window: 1h}]`
		}, unboundedValue},
		"spend_max": {func(n string) string {
			return head + `to: payees, plain: true, spend_max: "` + n + ` wei"}, ` + count + `]`
		}, unboundedValue + " " + unboundedFee},
		"fee_cap_max": {func(n string) string {
			return head + `to: payees, plain: true, value_max: "1 ether", gas_max: 21000, fee_cap_max: "` + n + ` wei"}, ` + count + `]`
		}, unboundedFee},
		"a limit on fees": {func(n string) string {
			return head + `to: payees, plain: true, value_max: "1 ether"}, ` + count + `, {measure: gas_cost, max: "` + n + ` wei", window: 1h}]`
		}, unboundedFee},
		"amount_max of a transfer": {func(n string) string {
			return head + `call: transfer, recipient: payees, amount_max: "` + n[:len(n)-6] + "." + n[len(n)-6:] + ` USDC", ` + fee + count + `]`
		}, unboundedAmount},
		"amount_max of an approval": {func(n string) string {
			return head + `call: approve, recipient: payees, amount_max: "` + n[:len(n)-6] + "." + n[len(n)-6:] + ` USDC", ` + fee + count + `]`
		}, unboundedApproval},
		"a limit on a token": {func(n string) string {
			return head + `call: transfer, token: USDC, recipient: payees, ` + fee + count + `, {measure: amount, max: "` + n[:len(n)-6] + "." + n[len(n)-6:] + ` USDC", window: 1h}]`
		}, unboundedAmount},
	} {
		if got := idsOf(t, "", tt.rule(some)); got != "" {
			t.Errorf("%s, that bounds: %q", name, got)
		}
		if got := idsOf(t, "", tt.rule(none)); got != tt.want {
			t.Errorf("%s, that bounds nothing: %q, want %q", name, got, tt.want)
		}
	}
}
