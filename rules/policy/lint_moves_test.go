package policy

import "testing"

// TestLintMoves: a rule that moves tokens says to whom and how many, and its limits
// count what it matches.
func TestLintMoves(t *testing.T) {
	t.Parallel()
	const (
		head     = `match: {principal: local, gas_cost_max: "1 ether", `
		typed    = `match: {principal: local, kind: typed_data, `
		count    = `}, limits: [{measure: signatures, max: 9, window: 1h}]`
		usdc     = `}, limits: [{measure: amount, max: "9 USDC", window: 1h}]`
		transfer = `function: "transfer(address to, uint256 amount)"`
		pay      = `function: "pay(address to, bytes32 order)"`
		permit   = `domain: {contract: payees}, primary_type: Permit, `
		from     = `call: [transfer, transferFrom], token: USDC, recipient: payees, `
		nobody   = anyRecipient + " " + unboundedAmount
	)
	for name, tt := range map[string]struct{ rule, want string }{
		"transfer":                       {head + `to: payees, call: transfer` + count, nobody},
		"transfer of a token":            {head + `to: payees, call: transfer, token: USDC` + count, nobody},
		"transfer to some":               {head + `to: payees, call: transfer, recipient: payees` + count, unboundedAmount},
		"transfer of some":               {head + `to: payees, call: transfer, amount_max: "5 USDC"` + count, anyRecipient},
		"transfer of some to some":       {head + `call: transfer, recipient: payees, amount_max: "5 USDC"` + count, ""},
		"within a limit":                 {head + `call: transfer, recipient: payees, token: USDC` + usdc, ""},
		"within a limit on one":          {head + `call: transfer, recipient: payees, token: [USDC, DAI]` + usdc, unboundedAmount},
		"within a limit on both":         {head + `call: transfer, recipient: payees, token: [USDC, DAI]` + usdc[:len(usdc)-1] + `, {measure: amount, id: dai, max: "9 DAI", window: 1h}]`, ""},
		"by its selector":                {head + `to: payees, selector: "0xa9059cbb"` + count, nobody},
		"by its effect":                  {head + `to: payees, effect: transfer` + count, nobody},
		"by its token":                   {head + `token: USDC` + count, anyRecipient + " " + anyCall + " " + unboundedAmount},
		"by its arguments":               {head + `to: payees, ` + transfer + `, args: {to: payees, amount: {max: "5 USDC"}}` + count, ""},
		"by one argument":                {head + `to: payees, ` + transfer + `, args: {amount: {max: "5 USDC"}}` + count, anyRecipient},
		"to all but some":                {head + `to: payees, ` + transfer + `, args: {to: {not: payees}, amount: {max: "5 USDC"}}` + count, anyRecipient},
		"from some":                      {head + `to: payees, function: "transferFrom(address from, address to, uint256 amount)", args: {from: self, amount: {max: "5 USDC"}}` + count, anyRecipient},
		"by the other argument":          {head + `to: payees, ` + transfer + `, args: {to: payees}` + count, unboundedAmount},
		"counted by the argument":        {head + `to: payees, ` + transfer + `, args: {to: payees}}, limits: [{measure: argument, ` + transfer + `, argument: amount, max: 9, window: 1h}]`, ""},
		"approved by people":             {head + `call: transfer, token: USDC, recipient: payees}, approvals: g`, ""},
		"of a collection":                {head + `call: transferFrom, token: PUNK, recipient: payees` + count, ""},
		"one of a collection":            {head + `to: payees, call: safeTransferFrom, recipient: payees` + count, ""},
		"within a batch":                 {head + `to: payees, call: multicall, inner: [{call: transfer, to: payees}]` + count, nobody},
		"within a batch, bounded":        {head + `to: payees, call: multicall, inner: [{call: transfer, recipient: payees, amount_max: "5 USDC"}]` + count, ""},
		"of another method":              {head + `to: payees, call: "stake(uint256)"` + count, ""},
		"approve of nothing":             {head + `to: payees, call: approve, amount_max: "0 USDC"` + count, ""},
		"an operator less":               {head + `to: payees, function: "setApprovalForAll(address operator, bool approved)", args: {approved: false}` + count, ""},
		"a permit":                       {typed + permit + `message: {value: {max: 5}}` + count, anyRecipient},
		"a permit for some":              {typed + permit + `message: {value: {max: 5}, spender: payees}` + count, ""},
		"a permit for a recipient":       {typed + `primary_type: Permit, effect: permit, recipient: payees, amount_max: "5 USDC"` + count, ""},
		"an authorization":               {typed + `domain: {contract: payees}, primary_type: TransferWithAuthorization` + count, nobody},
		"an authorization of some":       {typed + `domain: {contract: payees}, primary_type: TransferWithAuthorization, message: {to: payees, value: {max: 5}}` + count, ""},
		"a letter":                       {typed + `domain: {contract: payees}, primary_type: Mail` + count, ""},
		"ether":                          {head + `to: payees, plain: true` + count, unboundedValue},
		"ether, bounded":                 {head + `to: payees, plain: true, value_max: "1 wei"` + count, ""},
		"ether, within a limit":          {head + `to: payees, plain: true}, limits: [{measure: value, max: "1 wei", window: 1h}]`, ""},
		"ether, approved by people":      {head + `to: payees, plain: true}, approvals: g`, ""},
		"a permit, by ether":             {typed + permit + `message: {value: {max: 5}, spender: payees}}, limits: [{measure: value, max: "1 wei", window: 1h}]`, limitMisses},
		"a payment, by tokens":           {head + `to: payees, plain: true, value_max: "1 wei"` + usdc, limitMisses},
		"a token, by another":            {head + `call: transfer, recipient: payees, amount_max: "5 DAI"` + usdc, limitMisses},
		"a method, by another":           {head + `to: payees, ` + pay + `}, limits: [{measure: argument, ` + transfer + `, argument: amount, max: 9, window: 1h}]`, limitMisses},
		"tokens of others":               {head + from + `amount_max: "5 USDC"` + usdc, limitMisses},
		"tokens of others, counted":      {head + from + `amount_max: "5 USDC"` + count, ""},
		"its own tokens":                 {head + from + `owner: self` + usdc, ""},
		"its own, by an argument":        {head + `to: payees, function: "transferFrom(address from, address to, uint256 amount)", args: {from: self, to: payees, amount: {max: "5 USDC"}}` + usdc, ""},
		"each order":                     {head + `to: payees, value_max: "1 ether", ` + pay + `}, limits: [{measure: value, max: "1 ether", window: 1h, per: [argument], ` + pay + `, argument: order}]`, openPer},
		"each order, and all":            {head + `to: payees, value_max: "1 ether", ` + pay + `}, limits: [{measure: value, max: "1 ether", window: 1h, per: [argument], ` + pay + `, argument: order}, {measure: value, max: "5 ether", window: 1h}]`, ""},
		"each payee of some":             {head + `to: payees, value_max: "1 ether", ` + pay + `, args: {to: payees}}, limits: [{measure: value, max: "1 ether", window: 1h, per: [argument], ` + pay + `, argument: to}]`, ""},
		"each recipient of some":         {head + `call: transfer, recipient: payees, amount_max: "5 USDC"}, limits: [{measure: amount, max: "9 USDC", window: 1h, per: [recipient]}]`, ""},
		"each recipient":                 {head + `to: payees, call: transfer, amount_max: "5 USDC"}, limits: [{measure: amount, max: "9 USDC", window: 1h, per: [recipient]}]`, anyRecipient + " " + openPer},
		"each recipient, and how often":  {head + `to: payees, call: transfer, amount_max: "5 USDC"}, limits: [{measure: signatures, max: 9, window: 1h}, {measure: amount, max: "9 USDC", window: 1h, per: [recipient]}]`, anyRecipient},
		"each who is paid":               {head + `plain: true, value_max: "1 wei"}, limits: [{measure: value, max: "1 wei", window: 1h, per: [recipient]}]`, anyRecipient + " " + openPer},
		"each who is paid, and all":      {head + `plain: true, value_max: "1 wei"}, limits: [{measure: value, max: "1 wei", window: 1h, per: [recipient]}, {measure: spend, max: "9 wei", window: 1h}]`, anyRecipient},
		"each who is paid, and the fees": {head + `plain: true, value_max: "1 wei"}, limits: [{measure: value, max: "1 wei", window: 1h, per: [recipient]}, {measure: gas_cost, max: "9 wei", window: 1h}]`, anyRecipient + " " + openPer},
	} {
		if got := idsOf(t, "", tt.rule); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if got := idsOf(t, `{id: b, measure: value, max: "9 ether", window: 1h, match: {any: true}}`, head+`plain: true}, limits: [{measure: value, max: "1 wei", window: 1h, per: [recipient]}]`); got != anyRecipient {
		t.Errorf("with a budget on all: %q", got)
	}
}
