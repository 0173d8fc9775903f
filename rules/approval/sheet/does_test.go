package sheet

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/calldata"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
)

var (
	spender  = common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	contract = common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
)

// below is 2 to the power of bits, less some.
func below(bits uint, less int64) *big.Int {
	return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), bits), big.NewInt(less))
}

// pages returns what is warned of, and all facts as one text.
func pages(t *testing.T, subject *approval.Subject) (warnings, shown string) {
	t.Helper()
	raw, err := json.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Of(about(raw), Options{Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, section := range s.Sections {
		for _, fact := range section.Facts {
			b.WriteString(fact.Name + " " + fact.Type + " " + fact.Text + " (" + fact.Note + ")\n")
		}
	}
	return strings.Join(s.Warnings, "\n"), b.String()
}

// called is a call of a contract, decoded as the signer does.
func called(t *testing.T, signature string, arguments ...any) *approval.Subject {
	t.Helper()
	data := calldatatest.Pack(t, signature, arguments...)
	call, err := calldata.Decode(signature, data)
	if err != nil {
		t.Fatal(err)
	}
	s := &approval.Subject{
		Kind: "transaction", ChainID: "1", Transaction: &approval.Transaction{To: &contract, Value: "0", Data: data},
		Call: &approval.Call{Selector: data[:4], Method: call.Method, Arguments: make([]approval.Argument, len(call.Arguments))},
	}
	for i, argument := range call.Arguments {
		s.Call.Arguments[i] = approval.Argument{Type: call.Types[i], Value: approval.ArgumentText(call.Types[i], argument)}
	}
	return s
}

// TestCallsThatHandOver: whatever the policy takes for an amount without a bound, or
// for all of a collection, is warned of.
func TestCallsThatHandOver(t *testing.T) {
	t.Parallel()
	take, every := "It lets "+spender.Hex()+" take the token "+contract.Hex()+" without a bound", "It lets "+spender.Hex()+" take every token of the collection "+contract.Hex()
	most, short := below(256, 1), below(256, 2)
	for name, c := range map[string]struct {
		subject *approval.Subject
		want    string // "" is no warning
	}{
		"approve max":        {called(t, "approve(address,uint256)", spender, most), take},
		"one less":           {called(t, "approve(address,uint256)", spender, short), take},
		"2^128":              {called(t, "approve(address,uint256)", spender, below(128, 0)), take},
		"all of 96 bits":     {called(t, "approve(address,uint256)", spender, below(96, 1)), take},
		"a bounded one":      {called(t, "approve(address,uint256)", spender, big.NewInt(5)), ""},
		"increase":           {called(t, "increaseAllowance(address,uint256)", spender, short), take},
		"increaseApproval":   {called(t, "increaseApproval(address,uint256)", spender, short), take},
		"decrease":           {called(t, "decreaseAllowance(address,uint256)", spender, short), ""},
		"permit2":            {called(t, "approve(address,address,uint160,uint48)", contract, spender, below(160, 1), below(48, 1)), take},
		"permit2, one less":  {called(t, "approve(address,address,uint160,uint48)", contract, spender, below(160, 2), below(48, 1)), take},
		"all of it":          {called(t, "setApprovalForAll(address,bool)", spender, true), every},
		"none of it":         {called(t, "setApprovalForAll(address,bool)", spender, false), ""},
		"transfer of all":    {called(t, "transfer(address,uint256)", spender, short), "It moves an amount of the token " + contract.Hex() + " that has no bound, to " + spender.Hex()},
		"unknown, max":       {called(t, "lend(address,uint256)", spender, most), "Argument 1 of lend(address,uint256) has no bound"},
		"unknown, one less":  {called(t, "lend(address,uint256)", spender, short), "Argument 1 of lend(address,uint256) has no bound"},
		"unknown, 160 bits":  {called(t, "lend(address,uint160)", spender, below(160, 1)), "Argument 1 of lend(address,uint160) has no bound"},
		"unknown, small":     {called(t, "lend(address,uint256)", spender, big.NewInt(5)), ""},
		"unknown, in a list": {called(t, "lend(uint256[2])", [2]*big.Int{big.NewInt(1), short}), "Argument 0 of lend(uint256[2]) has a number without a bound"},
	} {
		if warnings, shown := pages(t, c.subject); warnings != c.want {
			t.Errorf("%s: %q, want %q\n%s", name, warnings, c.want, shown)
		}
	}
}

// TestCallsWithinCalls are listed with their arguments, or it is told that they are not.
func TestCallsWithinCalls(t *testing.T) {
	t.Parallel()
	approve := calldatatest.Pack(t, "approve(address,uint256)", spender, below(256, 2))
	unknown := calldatatest.Pack(t, "lend(address,uint256)", spender, big.NewInt(1))
	warnings, shown := pages(t, called(t, "multicall(bytes[])", [][]byte{approve, unknown}))
	for _, want := range []string{
		"It lets " + spender.Hex() + " take the token " + contract.Hex() + " without a bound",
		"The call data of data[1] was not decoded: what the contract does with it is not known",
	} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning %q in %s", want, warnings)
		}
	}
	for _, want := range []string{
		"data[0]  approve(address,uint256)", "to  " + contract.Hex(), "1 uint256 " + below(256, 2).String(), "0 address " + spender.Hex(),
		"data[1]  the method 0x" + common.Bytes2Hex(unknown[:4]) + ", which is not known", "data  0x" + common.Bytes2Hex(unknown),
		`["0x` + common.Bytes2Hex(approve),
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	warnings, _ = pages(t, called(t, "wrap(address,bytes)", spender, approve))
	if want := "Argument 1 of wrap(address,bytes) has bytes that are not decoded: they may be further calls, which are not shown"; warnings != want {
		t.Errorf("%q, want %q", warnings, want)
	}
	warnings, _ = pages(t, called(t, "execute(bytes,bytes[])", []byte{0}, [][]byte{approve}))
	if want := "Not all is known of call: the commands of a router are not looked at"; warnings != want {
		t.Errorf("%q, want %q", warnings, want)
	}
}

// TestCallsThatFactsKnow: what the signer's list of methods lacks is shown all the same.
func TestCallsThatFactsKnow(t *testing.T) {
	t.Parallel()
	subject := called(t, "approve(address,address,uint160,uint48)", contract, spender, below(160, 2), below(48, 1))
	subject.Call = nil
	warnings, shown := pages(t, subject)
	if want := "It lets " + spender.Hex() + " take the token " + contract.Hex() + " without a bound"; warnings != want {
		t.Errorf("%q, want %q", warnings, want)
	}
	for _, want := range []string{"call  approve(address,address,uint160,uint48)", "2 uint160 " + below(160, 2).String(), "spender  " + spender.Hex()} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
}

// TestManyCallsWithinCalls warn as often as people read.
func TestManyCallsWithinCalls(t *testing.T) {
	t.Parallel()
	calls := make([][]byte, 100)
	for i := range calls {
		calls[i] = calldatatest.Pack(t, "approve(address,uint256)", spender, below(256, int64(i)+1))
	}
	warnings, shown := pages(t, called(t, "multicall(bytes[])", calls))
	if lines := strings.Split(warnings, "\n"); len(lines) != maxEffectWarnings+1 || !strings.Contains(lines[maxEffectWarnings], "80 warnings") {
		t.Errorf("%d warnings, the last %q", len(lines), lines[len(lines)-1])
	}
	if n := strings.Count(shown, "hands over  ANY AMOUNT"); n != 100 {
		t.Errorf("%d are shown", n)
	}
}

// signed is typed data as the signer keeps it.
func signed(kind, data string) *approval.Subject {
	return &approval.Subject{Kind: kind, ChainID: "1", TypedData: json.RawMessage(data)}
}

func safeTransaction(operation string, to common.Address, data []byte) *approval.Subject {
	return signed("typed data", `{"types":{"EIP712Domain":[{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],
		"SafeTx":[{"type":"address","name":"to"},{"type":"uint256","name":"value"},{"type":"bytes","name":"data"},{"type":"uint8","name":"operation"},
		{"type":"uint256","name":"safeTxGas"},{"type":"uint256","name":"baseGas"},{"type":"uint256","name":"gasPrice"},{"type":"address","name":"gasToken"},
		{"type":"address","name":"refundReceiver"},{"type":"uint256","name":"nonce"}]},"primaryType":"SafeTx",
		"domain":{"chainId":"0x1","verifyingContract":"`+contract.Hex()+`"},"message":{"to":"`+to.Hex()+`","value":"0","data":"0x`+common.Bytes2Hex(data)+`",
		"operation":"`+operation+`","safeTxGas":"0","baseGas":"0","gasPrice":"0","gasToken":"0x0000000000000000000000000000000000000000",
		"refundReceiver":"0x0000000000000000000000000000000000000000","nonce":"71"}}`)
}

// TestSafeTransactions: a delegate call is called one, and warned of unless it is a
// batch of Safe's own.
func TestSafeTransactions(t *testing.T) {
	t.Parallel()
	transfer := calldatatest.Pack(t, "transfer(address,uint256)", spender, big.NewInt(1))
	warnings, shown := pages(t, safeTransaction("1", spender, transfer))
	if want := "Not all is known of call: a delegate call runs foreign code with the powers of the caller"; warnings != want {
		t.Errorf("%q, want %q", warnings, want)
	}
	for _, want := range []string{"operation uint8 1 (a delegate call: the code of to runs with the powers of the Safe)", "DELEGATE CALL"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	if warnings, shown = pages(t, safeTransaction("0", spender, transfer)); warnings != "" || strings.Contains(shown, "elegate") {
		t.Errorf("a call: %q\n%s", warnings, shown)
	}
	approve := calldatatest.Pack(t, "approve(address,uint256)", spender, below(256, 2))
	packed := append(append(append([]byte{0}, contract[:]...), common.BigToHash(common.Big0).Bytes()...), common.BigToHash(big.NewInt(int64(len(approve)))).Bytes()...)
	batch := calldatatest.Pack(t, "multiSend(bytes)", append(packed, approve...))
	warnings, shown = pages(t, safeTransaction("1", common.HexToAddress("0x40A2aCCbd92BCA938b02010E17A5b8929b49130D"), batch))
	if want := "It lets " + spender.Hex() + " take the token " + contract.Hex() + " without a bound"; warnings != want || !strings.Contains(shown, "transactions[0]") {
		t.Errorf("%q, want %q\n%s", warnings, want, shown)
	}
	if warnings, _ = pages(t, safeTransaction("0", spender, []byte{1, 2, 3, 4})); !strings.Contains(warnings, "was not decoded") {
		t.Errorf("data that nobody knows: %q", warnings)
	}
}

func permitSingle(amount *big.Int) *approval.Subject {
	return signed("typed data", `{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],
		"PermitDetails":[{"name":"token","type":"address"},{"name":"amount","type":"uint160"},{"name":"expiration","type":"uint48"},{"name":"nonce","type":"uint48"}],
		"PermitSingle":[{"name":"details","type":"PermitDetails"},{"name":"spender","type":"address"},{"name":"sigDeadline","type":"uint256"}]},
		"primaryType":"PermitSingle","domain":{"name":"Permit2","chainId":"0x1","verifyingContract":"0x000000000022D473030F116dDEE9F6B43aC78BA3"},
		"message":{"details":{"token":"`+contract.Hex()+`","amount":"`+amount.String()+`","expiration":"281474976710655","nonce":"0"},
		"spender":"`+spender.Hex()+`","sigDeadline":"`+below(256, 2).String()+`"}}`)
}

// TestPermits: what a signature hands over is warned of as a call would be, and not
// how long it may be used.
func TestPermits(t *testing.T) {
	t.Parallel()
	take := "It lets " + spender.Hex() + " take the token " + contract.Hex() + " without a bound"
	for _, amount := range []*big.Int{below(160, 1), below(160, 2), below(129, 0)} {
		warnings, shown := pages(t, permitSingle(amount))
		if warnings != take || !strings.Contains(shown, "amount uint160 "+amount.String()+" ("+noBound+")") {
			t.Errorf("%s: %q\n%s", amount, warnings, shown)
		}
	}
	if warnings, _ := pages(t, permitSingle(big.NewInt(5))); warnings != "" {
		t.Errorf("a bounded one: %q", warnings)
	}
	// A document that nobody knows: the number itself is all there is.
	unknown := func(amount *big.Int) *approval.Subject {
		return signed("typed data", `{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"Lend":[{"name":"amount","type":"uint256"}]},
			"primaryType":"Lend","domain":{"name":"x"},"message":{"amount":"`+amount.String()+`"}}`)
	}
	for _, amount := range []*big.Int{below(256, 1), below(256, 2), below(128, 0)} {
		if warnings, _ := pages(t, unknown(amount)); warnings != "The member amount has no bound" {
			t.Errorf("%s: %q", amount, warnings)
		}
	}
	if warnings, _ := pages(t, unknown(big.NewInt(5))); warnings != "" {
		t.Errorf("a bounded one: %q", warnings)
	}
}

// FuzzCalls: whatever is called, its sheet is made, and does nothing but be read.
func FuzzCalls(f *testing.F) {
	f.Add(common.FromHex("0x095ea7b3"))
	f.Add(append(common.FromHex("0xac9650d8"), make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		subject := &approval.Subject{Kind: "transaction", ChainID: "1", Transaction: &approval.Transaction{To: &contract, Value: "1", Data: data, AccessList: types.AccessList{}}}
		if warnings, shown := pages(t, subject); inert(warnings) >= 0 || inert(shown) >= 0 {
			t.Errorf("%q\n%q", warnings, shown)
		}
	})
}
