package policy

import (
	"strings"
	"testing"
)

// TestLintApprovals: an approval without a bound is found however the rule names
// the method, and only a bound of the amount ends the warning.
func TestLintApprovals(t *testing.T) {
	t.Parallel()
	const (
		approve = `function: "approve(address spender, uint256 amount)", `
		all     = `function: "setApprovalForAll(address operator, bool approved)", `
		single  = `function: "permit(address owner, ((address token, uint160 amount, uint48 expiration, uint48 nonce) details, address spender, uint256 deadline) permit, bytes signature)", `
		batch   = `function: "permit(address owner, ((address token, uint160 amount, uint48 expiration, uint48 nonce)[] details, address spender, uint256 deadline) permit, bytes signature)", `
		permit  = `kind: typed_data, domain: {contract: payees}, primary_type: Permit, `
		most    = `"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"`
	)
	for name, tt := range map[string]struct {
		match string
		warns string // "" if nothing does
	}{
		"approve by its selector":            {`to: payees, selector: "0x095ea7b3"`, unboundedApproval},
		"among other selectors":              {`to: payees, selector: ["0xa9059cbb", "0xa22cb465"]`, unboundedApproval},
		"within, by its selector":            {`to: payees, call: multicall, inner: [{to: payees, selector: "0x39509351"}]`, unboundedApproval},
		"by its selector, with a bound":      {`to: payees, selector: "0x095ea7b3", amount_max: "5 USDC"`, ""},
		"other selectors":                    {`to: payees, selector: ["0xa9059cbb", "0x01020304"]`, ""},
		"a selector and another function":    {`to: payees, selector: "0x095ea7b3", function: "transfer(address,uint256)"`, ""},
		"the spender":                        {`to: payees, ` + approve + `args: {spender: payees}`, unboundedApproval},
		"a least amount":                     {`to: payees, ` + approve + `args: {amount: {min: 5}}`, unboundedApproval},
		"the amount":                         {`to: payees, ` + approve + `args: {spender: payees, amount: {max: "5 USDC"}}`, ""},
		"amounts":                            {`to: payees, ` + approve + `args: {amount: [0, 5]}`, ""},
		"an amount that is none":             {`to: payees, ` + approve + `args: {amount: [0, ` + most + `]}`, unboundedApproval},
		"a bound that is none":               {`to: payees, ` + approve + `args: {amount: {max: ` + most + `}}`, unboundedApproval},
		"effects with the spender":           {`to: payees, effect: [approve], ` + approve + `args: {spender: payees}`, unboundedApproval},
		"an operator":                        {`to: payees, ` + all + `args: {operator: payees}`, unboundedApproval},
		"an operator less":                   {`to: payees, ` + all + `args: {approved: false}`, ""},
		"an operator by himself":             {`to: payees, function: "authorizeOperator(address)", args: {"0": payees}`, unboundedApproval},
		"the deadline":                       {`to: payees, ` + single + `args: {permit.deadline: {max: 5}}`, unboundedApproval},
		"the amount of a permit":             {`to: payees, ` + single + `args: {permit.details.amount: {max: 5}}`, ""},
		"the amount of a permit, within":     {`to: payees, ` + single + `args: {permit: {member: {details: {member: {amount: {max: 5}}}}}}`, ""},
		"one of the amounts":                 {`to: payees, ` + batch + `args: {permit.details: {any: {member: {amount: {max: 5}}}}}`, unboundedApproval},
		"each amount":                        {`to: payees, ` + batch + `args: {permit.details: {all: {member: {amount: {max: 5}}}}}`, ""},
		"an approval of another form":        {`to: payees, function: "approve(uint8,address)", args: {"1": payees}`, unboundedApproval},
		"one of another form, with a number": {`to: payees, function: "approve(uint8,address)", args: {"0": 1}`, ""},

		"typed data, the spender":   {permit + `message: {spender: payees}`, unboundedApproval},
		"typed data, the deadline":  {permit + `message: {deadline: {within: 1h}}`, unboundedApproval},
		"typed data, the amount":    {permit + `message: {value: {max: "5 USDC"}}`, ""},
		"typed data that takes":     {permit + `message: {allowed: false}`, ""},
		"typed data, another type":  {`kind: typed_data, domain: {contract: payees}, primary_type: Mail, message: {to: payees}`, ""},
		"typed data, the contract":  {`kind: typed_data, domain: {contract: payees}`, unboundedApproval},
		"a Safe, by its domain":     {`kind: safe_transaction, domain: {contract: payees}`, anyCall},
		"a Safe, by another domain": {`domain: {name: App}, primary_type: Mail, message: {to: payees}`, ""},
		"a Safe, by its operation":  {`safe: {safe: payees}, message: {operation: 0}`, anyCall},
		"a Safe, by its type":       {`kind: safe_transaction, safe: {safe: payees}, primary_type: SafeTx`, anyCall},
		"a Safe, by who is called":  {`safe: {safe: payees}, message: {to: payees, operation: 0}`, anyCall},
		"a Safe, by its data":       {`safe: {safe: payees}, message: {data: "0x"}`, ""},
		"a Safe, by little data":    {`safe: {safe: payees}, message: {data: {length_max: 35}}`, ""},
		"a Safe, by a selector":     {`safe: {safe: payees}, message: {data: {prefix: "0x095ea7b3"}}`, unboundedApproval},
		"a Safe, by another one":    {`safe: {safe: payees}, message: {data: {prefix: "0x6a761202"}}`, ""},
		"a Safe, by no data":        {`safe: {safe: payees}, message: {data: {not: "0x"}}`, anyCall},
		"a Safe's ether":            {`safe: {safe: payees}, call: approve, message: {to: payees, value: 0}`, unboundedApproval},

		"a permit of a token":       {`kind: typed_data, primary_type: Permit, token: USDC, recipient: payees`, unboundedApproval},
		"any permit of a token":     {`kind: typed_data, token: USDC, recipient: payees`, unboundedApproval},
		"typed data, a deadline":    {`kind: typed_data, message: {deadline: {within: 1h}}`, unboundedApproval},
		"typed data, and a domain":  {`kind: typed_data, domain: {contract: payees}, message: {nonce: {min: 1}}`, unboundedApproval},
		"typed data of no permit":   {`kind: typed_data, domain: {contract: payees}, message: {order: {min: 1}, price: 5}`, ""},
		"a permit with a witness":   {`kind: typed_data, message: {order: {member: {price: 5}}}`, unboundedApproval},
		"a name that is no Permit2": {`kind: typed_data, domain: {name: App}, message: {order: {member: {price: 5}}}`, ""},
		"the name of Permit2":       {`kind: typed_data, domain: {name: Permit2}, message: {details.token: USDC}`, unboundedApproval},
		"an amount of no type":      {`kind: typed_data, message: {value: {max: 5}, spender: payees}`, ""},
		"typed data, by its effect": {`kind: typed_data, domain: {contract: payees}, effect: [permit], message: {spender: payees}`, unboundedApproval},

		"data with room for one": {`to: payees, data_max: 36`, anyCall},
		"data without":           {`to: payees, data_max: 35`, ""},
	} {
		head, _, _ := strings.Cut(wordScope, "  - {id: it")
		p, err := Load("lint.yaml", []byte(head+"  - {id: a, effect: allow, match: {principal: local, "+tt.match+"}, limits: [{measure: signatures, max: 9, window: 1h}, {measure: spend, max: 1 ether, window: 1h}]}\n"), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, w := range Lint(p) {
			if w.ID == unboundedApproval || w.ID == anyCall {
				got = append(got, w.ID)
			}
		}
		if strings.Join(got, " ") != tt.warns {
			t.Errorf("%s: %v, want %q", name, got, tt.warns)
		}
	}
}
