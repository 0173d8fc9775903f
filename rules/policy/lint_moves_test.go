package policy

import (
	"slices"
	"testing"

	"github.com/kvclef/kvclef/rules/calldata"
	"github.com/kvclef/kvclef/rules/facts"
)

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
		safe     = `match: {principal: local, safe: {safe: payees}, `
		exec     = `to: payees, call: execTransaction, `
		p2       = `to: payees, function: "approve(address token, address spender, uint160 amount, uint48 expiration)", `
		p2batch  = `to: payees, function: "transferFrom((address,address,uint160,address)[])", `
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

		"by the arguments of Permit2":    {head + p2 + `args: {token: payees, spender: payees, amount: {max: 5}}` + count, ""},
		"by the token of Permit2":        {head + p2 + `args: {token: payees, amount: {max: 5}}` + count, anyRecipient},
		"all by the signer of a permit":  {head + `to: payees, call: permitTransferFrom` + count, nobody},
		"each of a batch of Permit2":     {head + p2batch + `args: {"0": {all: {member: {"1": payees, "2": {max: 5}}}}}` + count, ""},
		"one of a batch of Permit2":      {head + p2batch + `args: {"0": {any: {member: {"1": payees, "2": {max: 5}}}}}` + count, nobody},
		"typed data, within a limit":     {typed + `domain: {contract: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"}, message: {owner: self}` + usdc, anyRecipient},
		"typed data of no permit":        {typed + `domain: {name: App}, message: {order: 5}` + count, ""},
		"burnt":                          {head + `to: payees, call: burn` + count, unboundedAmount},
		"burnt, some":                    {head + `to: payees, function: "burn(uint256 amount)", args: {amount: {max: 5}}` + count, ""},
		"burnt, of others":               {head + `to: payees, call: burnFrom, amount_max: "5 USDC"` + usdc, limitMisses},
		"burnt, by another method":       {head + `to: payees, function: "burn(int24,int24,uint128)"` + count, ""},
		"of a Safe, who is called":       {safe + `call: transfer, token: USDC, message: {to: payees, value: 0}` + count, nobody},
		"of a Safe, an approval":         {safe + `call: approve, message: {to: payees, value: 0}` + count, anyRecipient + " " + unboundedApproval},
		"of a Safe, to some":             {safe + `call: transfer, recipient: payees, amount_max: "5 USDC", message: {operation: 0}` + count, ""},
		"ether of a Safe":                {safe + `to: payees, plain: true, message: {operation: 0}` + count, unboundedValue},
		"ether of a Safe, bounded":       {safe + `to: payees, plain: true, message: {value: {max: 5}}` + count, ""},
		"a permit of others":             {typed + permit + `message: {spender: payees}` + usdc, unboundedApproval + " " + limitMisses},
		"a permit of its own":            {typed + `primary_type: Permit, message: {owner: self, spender: payees}, token: USDC` + usdc, ""},
		"an effect of others":            {typed + `effect: permit, token: USDC, recipient: payees` + usdc, limitMisses},
		"an effect of its own":           {typed + `effect: permit, token: USDC, recipient: payees, owner: self` + usdc, ""},
		"of Permit2, always its own":     {typed + `primary_type: PermitSingle, effect: permit, token: USDC, recipient: payees` + usdc, ""},
		"a Safe's ether, by execution":   {head + exec + `inner: [{to: payees, plain: true}]}, limits: [{measure: value, max: "1 ether", window: 1h}]`, limitMisses + " " + unboundedValue},
		"a Safe's ether, bounded":        {head + exec + `inner: [{to: payees, plain: true, value_max: "1 ether"}]}, limits: [{measure: spend, max: "1 ether", window: 1h}]`, limitMisses},
		"a Safe's ether, to each":        {head + exec + `inner: [{to: payees, plain: true}]}, limits: [{measure: value, max: "1 ether", window: 1h, per: [recipient]}]`, ""},
		"a Safe's ether, counted":        {head + exec + `inner: [{to: payees, plain: true}]}, limits: [{measure: spend, max: "1 ether", window: 1h}, {measure: argument, function: "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)", argument: "1", max: 1000, window: 1h}]`, ""},
		"a Safe's tokens":                {head + exec + `inner: [{call: transfer, token: USDC, recipient: payees}]` + usdc, unboundedAmount + " " + limitMisses},
		"a Safe's tokens, counted":       {head + exec + `inner: [{call: transfer, token: USDC, recipient: payees}]}, limits: [{measure: amount, max: "9 USDC", window: 1h}, {measure: argument, ` + transfer + `, argument: amount, max: 9, window: 1h}]`, ""},
		"a Safe's tokens, approved":      {head + exec + `inner: [{call: approve, token: USDC, recipient: payees}]` + usdc, unboundedApproval + " " + limitMisses},
		"its own tokens, by a Safe":      {head + exec + `inner: [{call: transferFrom, token: USDC, owner: self, recipient: payees}]` + usdc, ""},
		"a Safe's own batch":             {safe + `to: payees, call: multiSend, delegate_call: true, inner: [{call: transfer, token: USDC, recipient: payees}]` + usdc, ""},
		"its own batch":                  {head + `to: self, call: executeBatch, inner: [{call: transfer, token: USDC, recipient: payees}]` + usdc, ""},
		"its own batch, by name":         {head + `account: payer, to: payer, call: executeBatch, inner: [{call: transfer, token: USDC, recipient: payees}]` + usdc, ""},
		"another's batch":                {head + `account: payer, to: payees, call: executeBatch, inner: [{call: transfer, token: USDC, owner: self, recipient: payees}]` + usdc, ""},
		"a wallet's batch":               {head + `to: payees, call: executeBatch, inner: [{call: transfer, token: USDC, recipient: payees}]` + usdc, unboundedAmount + " " + limitMisses},
		"what another contract moves":    {head + `to: payees, function: "swap(uint256 amount, address to)", args: {to: self}` + usdc, limitMisses},
		"what an unknown selector moves": {head + `to: payees, selector: "0x01020304"` + usdc, limitMisses},
		"an unknown method of the token": {head + `to: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", function: "swap(uint256 amount, address to)", args: {to: self}` + usdc, ""},
		"ether by a call without ether":  {head + `to: payees, call: deposit}, limits: [{measure: value, max: "1 ether", window: 1h}]`, limitMisses},
	} {
		if got := idsOf(t, "", tt.rule); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if got := idsOf(t, `{id: b, measure: value, max: "9 ether", window: 1h, match: {any: true}}`, head+`plain: true}, limits: [{measure: value, max: "1 wei", window: 1h, per: [recipient]}]`); got != anyRecipient {
		t.Errorf("with a budget on all: %q", got)
	}
}

// TestFlows: each method there is one whose meaning is known, and no other moves tokens.
func TestFlows(t *testing.T) {
	t.Parallel()
	for signature := range flows() {
		method, err := calldata.Parse(signature)
		if err != nil {
			t.Fatal(err)
		}
		if name := facts.NameOf(method.Selector()); name != nameOf(signature) || method.Sig != signature {
			t.Errorf("%s is known as %q", signature, name)
		}
	}
	others := []string{
		"decreaseAllowance", "decreaseApproval", "deposit", "withdraw", "lockdown", "invalidateNonces", "invalidateUnorderedNonces", // nothing of tokens
		"multicall", "multiSend", "aggregate", "aggregate3", "aggregate3Value", "tryAggregate", "blockAndAggregate", "tryBlockAndAggregate", // calls
		"execTransaction", "execTransactionFromModule", "execTransactionFromModuleReturnData", "execute", "executeBatch", "executeFromExecutor",
		"executeMetaTransaction", "executeUserOp", "executeUserOpWithErrorString", "handleOps", "handleAggregatedOps",
	}
	for _, name := range facts.Methods() {
		if moves := len(flowsOf(name)) > 0; moves == slices.Contains(others, name) {
			t.Errorf("%s: what it does to tokens is told by neither or both", name)
		}
	}
}
