package policy

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules/facts"
)

// encoded returns the facts of a call of a method.
func encoded(t *testing.T, signature string, arguments ...any) *facts.Facts {
	t.Helper()
	f, err := parseFunction(signature)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := f.method.Inputs.Pack(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return calling(&other, 0, hexutil.Encode(append(f.method.ID, packed...)))
}

func TestArguments(t *testing.T) {
	t.Parallel()
	type order struct {
		Name0 common.Address
		Name1 *big.Int
		Name2 []byte
	}
	const (
		transfer = "transfer(address to, uint256 amount)"
		fill     = "fill((address from, uint amount, bytes note) order, address[] to, uint256[] amounts, bool now)"
	)
	anOrder := order{payer, big.NewInt(5), []byte{1, 2, 3}}
	filled := func(to []common.Address, amounts ...int64) *facts.Facts {
		all := []*big.Int{}
		for _, n := range amounts {
			all = append(all, big.NewInt(n))
		}
		return encoded(t, fill, anOrder, to, all, true)
	}
	paid := encoded(t, transfer, payee, big.NewInt(7))
	for _, tt := range []struct {
		function, args string
		f              *facts.Facts
		want           truth
		got            string
	}{
		{transfer, "to: payees", paid, isTrue, "to " + payee.Hex()},
		{transfer, "to: payer", paid, isFalse, "to " + payee.Hex()},
		{transfer, "0: payees, 1: {max: 7}", paid, isTrue, "0 " + payee.Hex() + ", 1 7"},
		{transfer, "to: payees, amount: {max: 6}", paid, isFalse, "to " + payee.Hex() + ", amount 7"},
		{transfer, `amount: {max: "0.000007 USDC", min: 7}`, paid, isTrue, "amount 7"},
		{transfer, "amount: {not: 7}", paid, isFalse, "amount 7"},
		{transfer, "amount: [6, 7]", paid, isTrue, "amount 7"},
		{"transfer(address,uint256)", "1: 0x7", paid, isTrue, "1 7"},
		{"approve(address,uint256)", "1: 7", paid, isFalse, "0xa9059cbb"},
		{transfer, "amount: 7", calling(&usdc, 0, call(transferSelector, payee)), unknown, "0xa9059cbb"},
		{transfer, "amount: 7", calling(&usdc, 0, "0xa9"), unknown, "0xa9, which is no selector"},
		{transfer, "amount: 7", calling(&usdc, 7, ""), isFalse, "no call data"},

		{fill, "order.from: payer, order.amount: 5", filled(nil), isTrue, "order.from " + payer.Hex() + ", order.amount 5"},
		{fill, "order.from: self", filled(nil), isTrue, "order.from " + payer.Hex()},
		{fill, "0.1: {max: 4}", filled(nil), isFalse, "0.1 5"},
		{fill, `order.note: {prefix: "0x0102", length_max: 3}`, filled(nil), isTrue, "order.note 0x010203"},
		{fill, `order.note: {length_max: 2}`, filled(nil), isFalse, "order.note 0x010203"},
		{fill, "to: {all: payees}", filled([]common.Address{payee, payee}), isTrue, "to a list of 2"},
		{fill, "to: {all: payees}", filled([]common.Address{payee, other}), isFalse, "to a list of 2"},
		{fill, "to: {any: payees}", filled([]common.Address{other, payee}), isTrue, "to a list of 2"},
		{fill, "to: {any: payees}", filled(nil), isFalse, "to a list of 0"},
		{fill, "amounts: {all: {max: 9}, length_max: 2}", filled(nil, 1, 9), isTrue, "amounts a list of 2"},
		{fill, "amounts: {all: {max: 9}}", filled(nil, 1, 10), isFalse, "amounts a list of 2"},
		{fill, "now: true", filled(nil), isTrue, "now true"},
		{fill, "now: false", filled(nil), isFalse, "now true"},
	} {
		p := wordOf(t, `function: "`+tt.function+`", args: {`+tt.args+`}`)
		s := &subject{Facts: tt.f, action: &tt.f.Actions[0]}
		if p.key() != "args" || p.want() == "" {
			t.Errorf("%s: %q wants %q", tt.args, p.key(), p.want())
		}
		if answer := p.test(s); answer != tt.want {
			t.Errorf("%s: %d, want %d", tt.args, answer, tt.want)
		}
		if got := p.got(s); got != tt.got {
			t.Errorf("%s: got %q, want %q", tt.args, got, tt.got)
		}
	}
}

func TestArgumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	const fill = `function: "fill((address from, uint256 amount)[] orders, address to)", args: {%s}`
	for match, want := range map[string]string{
		"args: {to: payees}":                                                        "which is missing: add function",
		strings.Replace(fill, "%s", "two: 5", 1):                                    `there is no "two" in ((address,uint256)[],address)`,
		strings.Replace(fill, "%s", "2: 5", 1):                                      `there is no "2" in`,
		strings.Replace(fill, "%s", "to: 5", 1):                                     "neither an account, a list nor an address",
		strings.Replace(fill, "%s", "to: {max: 5}", 1):                              "the value is of the type address",
		strings.Replace(fill, "%s", "orders.from: payees", 1):                       "compared by any and all",
		strings.Replace(fill, "%s", "to.x: payees", 1):                              "there is nothing within",
		strings.Replace(fill, "%s", "orders: {all: {member: {form: payees}}}", 1):   `there is no "form" in (address,uint256); did you mean from`,
		strings.Replace(fill, "%s", "orders: {all: {member: {amount: payees}}}", 1): "want a whole number",
		strings.Replace(fill, "%s", "orders: {any: {member: {from: {max: 1}}}}", 1): "the value is of the type address",
		strings.Replace(fill, "%s", "orders: {member: {from: payees}}", 1):          "tuples have members",
		strings.Replace(fill, "%s", "", 1):                                          "want paths and comparisons",
		`function: "f(uint256", args: {0: 5}`:                                       "is no signature",
	} {
		_, err := Load("words.yaml", []byte(strings.Replace(wordScope, "%s", match, 1)), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", match, err, want)
		}
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"f()":                               "f()",
		" f ( uint a , int[2] b ) ":         "f(uint256,int256[2])",
		"f((address a,(bytes,byte) b)[] c)": "f((address,(bytes,bytes1))[])",
		"execute((address,address,uint256,uint256,uint256,bytes),bytes)": "execute((address,address,uint256,uint256,uint256,bytes),bytes)",
	} {
		f, err := parseFunction(text)
		if err != nil || f.method.Sig != want {
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
	for _, text := range []string{
		"", "f", "f(", "f)", "f(uint256))", "f((uint256)", "f(uint256,)", "f(uint7)", "f(uint08)", "f(bytes33)", "f(fixed)", "f(function)", "f(,)", "f(uint257)", "f(uint256 indexed a)", "f((uint256)x y)", "f()()",
		"f(" + strings.Repeat("(", 20) + strings.Repeat(")", 20) + ")", "f(" + strings.Repeat("uint256,", 200) + "uint256)", "f(\x00)", "f(uint256[-1])",
	} {
		if f, err := parseFunction(text); err == nil {
			t.Errorf("%q: %v", text, f.method.Sig)
		}
	}
}

// FuzzSignature: whatever stands for a signature, it is read or refused, and
// read again as what it was read as.
func FuzzSignature(f *testing.F) {
	for _, seed := range []string{"transfer(address to, uint256 amount)", "f((uint[] a,(bool)) t)", "f(", "f((,))", "f()()"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseFunction(text)
		if err != nil {
			return
		}
		again, err := parseFunction(first.method.Sig)
		if err != nil || again.method.Selector() != first.method.Selector() {
			t.Errorf("%q is %q: %v", text, first.method.Sig, err)
		}
	})
}
