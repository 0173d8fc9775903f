package policy

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// wordScope is what the words of the tests may name.
const wordScope = `version: 1
chains: {mainnet: 1}
accounts: {payer: "0x1111111111111111111111111111111111111111"}
tokens:
  USDC: {chain: mainnet, address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", decimals: 6}
  DAI: {chain: mainnet, address: "0x00000000000000000000000000000000000000da", decimals: 18}
  PUNK: {chain: mainnet, address: "0x00000000000000000000000000000000000000bb", standard: erc721}
lists: {payees: ["0x4444444444444444444444444444444444444444", "0x4545454545454545454545454545454545454545"]}
approvals: {g: {threshold: 1, of: [alice]}}
rules:
  - {id: it, effect: allow, match: {%s}}
`

// wordOf loads a policy with one match and returns the predicate of its first word.
func wordOf(t *testing.T, match string) predicate {
	t.Helper()
	p, err := Load("words.yaml", []byte(strings.Replace(wordScope, "%s", match, 1)), Options{})
	if err != nil {
		t.Fatalf("%s: %v", match, err)
	}
	m := p.rules[0].Match
	for _, predicates := range [][]predicate{m.Action, m.Effects, m.Request} {
		if predicates = explicit(predicates); len(predicates) > 0 {
			return predicates[len(predicates)-1]
		}
	}
	t.Fatalf("%s: no word", match)
	return nil
}

var (
	payer = common.HexToAddress("0x1111111111111111111111111111111111111111")
	payee = common.HexToAddress("0x4444444444444444444444444444444444444444")
	other = common.HexToAddress("0x9999999999999999999999999999999999999999")
	usdc  = common.HexToAddress("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")
	punk  = common.HexToAddress("0x00000000000000000000000000000000000000bb")
)

// calling are the real facts of a transaction to an address.
func calling(to *common.Address, wei int64, data string) *facts.Facts {
	req := &rules.Request{
		Kind: rules.KindTransaction, Account: rules.Account{Address: payer}, ChainID: big.NewInt(1),
		Transaction: types.NewTx(&types.DynamicFeeTx{To: to, Value: big.NewInt(wei), Data: common.FromHex(data), Gas: 21000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1)}),
	}
	return facts.Of(req, time.Unix(1_800_000_000, 0))
}

// words of call data: a selector and arguments of 32 bytes.
func call(selector string, arguments ...any) string {
	data := selector
	for _, a := range arguments {
		switch a := a.(type) {
		case common.Address:
			data += fmt.Sprintf("%064x", a[:])
		case int:
			data += fmt.Sprintf("%064x", a)
		}
	}
	return data
}

const (
	transferSelector = "0xa9059cbb"
	approveSelector  = "0x095ea7b3"
)

func TestActionWords(t *testing.T) {
	t.Parallel()
	pay := calling(&payee, 5, "")
	transfer := calling(&usdc, 0, call(transferSelector, payee, 7))
	broken := calling(&usdc, 0, call(transferSelector, payee))
	stuffed := calling(&usdc, 0, call(transferSelector, payee, 7, 1))
	short := calling(&usdc, 0, "0xa905")
	foreign := calling(&usdc, 0, call("0xdeadbeef", 7))
	creation := calling(nil, 0, "0xa9059cbb00")
	self := calling(&payer, 0, "")
	typed := &facts.Facts{Request: &rules.Request{Kind: rules.KindTypedData}, Kind: facts.KindTypedData, Actions: []facts.Action{{To: &usdc, Name: "permit", Decoding: facts.Known}}}
	delegate := &facts.Facts{Request: pay.Request, Kind: facts.KindSafe, Actions: []facts.Action{{To: &payee, Delegate: true}}}
	for _, tt := range []struct {
		match string
		f     *facts.Facts
		want  truth
		got   string
	}{
		{"to: payees", pay, isTrue, payee.Hex()},
		{"to: payees", transfer, isFalse, usdc.Hex()},
		{"to: [payees, payer]", creation, isFalse, "a new contract"},
		{"to: self", self, isTrue, payer.Hex()},
		{"to: self", pay, isFalse, payee.Hex()},
		{`to: "0x9999999999999999999999999999999999999999"`, pay, isFalse, payee.Hex()},
		{"to: \"" + strings.ToLower(usdc.Hex()) + "\"", typed, isTrue, usdc.Hex()},

		{`value_max: "5 wei"`, pay, isTrue, "5 wei"},
		{`value_max: "4 wei"`, pay, isFalse, "5 wei"},
		{`value_max: "0 wei"`, transfer, isTrue, "0 wei"},
		{`value_min: "5 wei"`, pay, isTrue, "5 wei"},
		{`value_min: "6 wei"`, pay, isFalse, "5 wei"},

		{"plain: true", pay, isTrue, "true"},
		{"plain: true", transfer, isFalse, "false"},
		{"plain: true", typed, isFalse, "no call"},
		{"plain: false", typed, isFalse, "no call"},
		{"plain: false", creation, isTrue, "false"},
		{"plain: true", calling(nil, 5, ""), isFalse, "false"},
		{"data_max: 68", transfer, isTrue, "68 bytes"},
		{"data_max: 67", transfer, isFalse, "68 bytes"},
		{"data_max: 67", typed, isFalse, "0 bytes"},
		{"delegate_call: true", delegate, isTrue, "true"},
		{"delegate_call: false", pay, isTrue, "false"},
		{"delegate_call: false", typed, isFalse, "no call"},

		{`selector: "0xa9059cbb"`, transfer, isTrue, "0xa9059cbb"},
		{`selector: ["0xA9059CBB", "0x00000001"]`, broken, isTrue, "0xa9059cbb"},
		{`selector: "0xa9059cbb"`, foreign, isFalse, "0xdeadbeef"},
		{`selector: "0xa9059cbb"`, pay, isFalse, "no call data"},
		{`selector: "0x00000000"`, pay, isFalse, "no call data"},
		{`selector: "0xa9059cbb"`, creation, isFalse, "the code of a new contract"},
		{`selector: "0xa9059cbb"`, short, unknown, "0xa905, which is no selector"},

		{"call: transfer", transfer, isTrue, "transfer"},
		{"call: [approve, transfer]", transfer, isTrue, "transfer"},
		{"call: approve", transfer, isFalse, "transfer"},
		{"call: approve", pay, isFalse, "no call data"},
		{"call: approve", foreign, isFalse, "0xdeadbeef"},
		{"call: approve", creation, isFalse, "the code of a new contract"},
		{"call: permit", typed, isTrue, "permit"},
		{"call: approve", broken, unknown, "transfer with arguments that do not fit"},
		{"call: transfer", stuffed, unknown, "transfer with arguments that do not fit"},
		{"call: transfer", short, unknown, "0xa905, which is no selector"},
		{`call: "transfer(address,uint256)"`, transfer, isTrue, "transfer"},
		{`call: ["transfer(address to, uint256 amount)"]`, broken, unknown, "transfer with arguments that do not fit"},
		{`call: "foo(uint256)"`, foreign, isFalse, "0xdeadbeef"},
		{`call: "foo(uint256)"`, broken, isFalse, "transfer with arguments that do not fit"},
		{`call: "foo(uint256)"`, calling(&usdc, 0, call(selectorText(t, "foo(uint256)"), 7)), isTrue, selectorText(t, "foo(uint256)")},
		{`call: "foo(uint256)"`, calling(&usdc, 0, call(selectorText(t, "foo(uint256)"), 7, 8)), unknown, selectorText(t, "foo(uint256)")},

		{`function: "transfer(address,uint256)"`, transfer, isTrue, "0xa9059cbb"},
		{`function: "transfer(address,uint)"`, transfer, isTrue, "0xa9059cbb"},
		{`function: "transfer(address to, uint256 amount)"`, pay, isFalse, "no call data"},
		{`function: "approve(address,uint256)"`, transfer, isFalse, "0xa9059cbb"},
		{`function: "transfer(address,uint256)"`, stuffed, unknown, "transfer with arguments that do not fit"},
		{`function: "transfer(address,uint256)"`, short, unknown, "0xa905, which is no selector"},
		{`function: "transfer(address,uint256)"`, creation, isFalse, "the code of a new contract"},
		{`function: "transfer(address,uint256)"`, typed, isFalse, "no call data"},
	} {
		p := wordOf(t, tt.match)
		s := &subject{Facts: tt.f, action: &tt.f.Actions[0]}
		if answer := p.test(s); answer != tt.want {
			t.Errorf("%s: %d, want %d", tt.match, answer, tt.want)
		}
		if got := p.got(s); got != tt.got {
			t.Errorf("%s: got %q, want %q", tt.match, got, tt.got)
		}
		if p.want() == "" || !strings.HasPrefix(tt.match, p.key()+":") {
			t.Errorf("%s: the word %q wants %q", tt.match, p.key(), p.want())
		}
	}
}

// selectorText returns the selector of a signature.
func selectorText(t *testing.T, signature string) string {
	t.Helper()
	f, err := parseFunction(signature)
	if err != nil {
		t.Fatal(err)
	}
	selector := f.method.Selector()
	return hexutil.Encode(selector[:])
}

func TestEffectWords(t *testing.T) {
	t.Parallel()
	effect := func(e facts.Effect) *facts.Facts {
		f := calling(&usdc, 0, "")
		f.Actions = []facts.Action{{To: &usdc, Effects: []facts.Effect{e}}}
		return f
	}
	on := func(chain *big.Int, f *facts.Facts) *facts.Facts {
		req := *f.Request
		req.ChainID = chain
		f.Request = &req
		return f
	}
	anywhere := func(f *facts.Facts) *facts.Facts { return on(nil, f) }
	elsewhere := func(f *facts.Facts) *facts.Facts { return on(big.NewInt(10), f) }
	large := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(1)) // 1 in its low 64 bits
	units := func(n uint64) uint256.Int { return *uint256.NewInt(n) }
	transfer := func() *facts.Facts { return calling(&usdc, 0, call(transferSelector, payee, 7_000_000)) }
	unlimited := calling(&usdc, 0, approveSelector+fmt.Sprintf("%064x", payee[:])+strings.Repeat("f", 64))
	until := func(seconds uint64) *facts.Facts {
		return effect(facts.Effect{Kind: facts.Permit, Token: usdc, Deadline: uint256.NewInt(seconds)})
	}
	seven := uint256.NewInt(7)
	for _, tt := range []struct {
		match string
		f     *facts.Facts
		want  truth
		got   string
	}{
		{"effect: transfer", transfer(), isTrue, "transfer"},
		{"effect: [approve, permit]", transfer(), isFalse, "transfer"},
		{"effect: approve", unlimited, isTrue, "approve"},

		{"token: USDC", transfer(), isTrue, usdc.Hex() + " on chain 1"},
		{"token: PUNK", transfer(), isFalse, usdc.Hex() + " on chain 1"},
		{"token: USDC", elsewhere(transfer()), isFalse, usdc.Hex() + " on chain 10"},
		{"token: USDC", on(large, transfer()), isFalse, usdc.Hex() + " on chain 18446744073709551617"},
		{"token: USDC", anywhere(transfer()), unknown, usdc.Hex() + " on any chain"},
		{"token: PUNK", anywhere(transfer()), isFalse, usdc.Hex() + " on any chain"},
		{`token: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"`, elsewhere(transfer()), isTrue, usdc.Hex() + " on chain 10"},
		{`token: [PUNK, "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"]`, anywhere(transfer()), isTrue, usdc.Hex() + " on any chain"},

		{"recipient: payees", transfer(), isTrue, payee.Hex()},
		{"recipient: payer", transfer(), isFalse, payee.Hex()},
		{"recipient: self", effect(facts.Effect{Recipient: payer}), isTrue, payer.Hex()},
		{"owner: self", transfer(), isTrue, payer.Hex()},
		{"owner: self", effect(facts.Effect{Owner: other}), isFalse, other.Hex()},
		{"owner: payees", effect(facts.Effect{Owner: payee}), isTrue, payee.Hex()},

		{`amount_max: "7 USDC"`, transfer(), isTrue, "7 USDC"},
		{`amount_max: "6.999999 USDC"`, transfer(), isFalse, "7 USDC"},
		{`amount_max: "7 USDC"`, elsewhere(transfer()), isFalse, "USDC on chain 10"},
		{`amount_max: "7 USDC"`, anywhere(transfer()), unknown, "7 USDC"},
		{`amount_max: "6 USDC"`, anywhere(transfer()), isFalse, "7 USDC"},
		{`amount_max: "7 USDC"`, effect(facts.Effect{Token: other}), isFalse, "the token " + other.Hex()},
		{`amount_max: "7 USDC"`, unlimited, isFalse, "all USDC"},
		{`amount_max: "7 USDC"`, effect(facts.Effect{Token: usdc, Unlimited: true}), isFalse, "all USDC"},
		{`amount_min: "7 USDC"`, transfer(), isTrue, "7 USDC"},
		{`amount_min: "7.000001 USDC"`, transfer(), isFalse, "7 USDC"},
		{`amount_min: "7.000001 USDC"`, unlimited, isTrue, "all USDC"},
		{`amount_min: "0 USDC"`, effect(facts.Effect{Token: other}), isFalse, "the token " + other.Hex()},
		{"amount: unlimited", unlimited, isTrue, "unlimited"},
		{"amount: unlimited", transfer(), isFalse, "7000000 of the smallest unit"},

		{"token_id: 7", effect(facts.Effect{Token: other, ID: seven}), isTrue, "7"},
		{`token_id: [8, "0x9"]`, effect(facts.Effect{Token: other, ID: seven}), isFalse, "7"},
		{"token_id: 7", effect(facts.Effect{Kind: facts.Approve, Token: punk, Amount: units(7)}), isTrue, "7, an id or an amount"},
		{"token_id: 7", effect(facts.Effect{Kind: facts.Approve, Token: punk, Amount: units(8)}), isFalse, "8, an id or an amount"},
		{"token_id: 7", effect(facts.Effect{Kind: facts.Approve, Token: other, Amount: units(7)}), unknown, "7, an id or an amount"},
		{"token_id: 7", effect(facts.Effect{Kind: facts.ApproveAll, Token: punk}), unknown, "every id"},
		{"token_id: 7", effect(facts.Effect{Kind: facts.Approve, Token: usdc, Amount: units(7)}), unknown, "7, an id or an amount"}, // no collection
		{"token_id: 7", anywhere(effect(facts.Effect{Kind: facts.Approve, Token: punk, Amount: units(7)})), unknown, "7, an id or an amount"},
		{"token_id: 0", effect(facts.Effect{Token: other, ID: new(uint256.Int)}), isTrue, "0"},

		{"deadline_within: 1h", until(1_800_003_600), isTrue, "2027-01-15T09:00:00Z"},
		{"deadline_within: 1h", until(1_800_003_601), isFalse, "2027-01-15T09:00:01Z"},
		{"deadline_within: 1h", transfer(), isFalse, "no deadline"},
		{"deadline_within: 1h", effect(facts.Effect{Deadline: uint256.MustFromBig(large)}), isFalse, "a deadline that never comes"},
		{"deadline_within: 1h", effect(facts.Effect{Deadline: new(uint256.Int).SetAllOne()}), isFalse, "a deadline that never comes"},
	} {
		p := wordOf(t, tt.match)
		if len(tt.f.Actions) == 0 || len(tt.f.Actions[0].Effects) != 1 {
			t.Fatalf("%s: the facts have no effect: %+v", tt.match, tt.f.Actions)
		}
		s := &subject{Facts: tt.f, action: &tt.f.Actions[0], effect: &tt.f.Actions[0].Effects[0]}
		if answer := p.test(s); answer != tt.want {
			t.Errorf("%s: %d, want %d", tt.match, answer, tt.want)
		}
		if got := p.got(s); got != tt.got {
			t.Errorf("%s: got %q, want %q", tt.match, got, tt.got)
		}
		if p.want() == "" || !strings.HasPrefix(tt.match, p.key()+":") {
			t.Errorf("%s: the word %q wants %q", tt.match, p.key(), p.want())
		}
	}
}

// TestSelfIsTheSafe: who acts in a Safe transaction is the Safe, whoever signs.
func TestSelfIsTheSafe(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{
		Request: &rules.Request{Kind: rules.KindSafe, Account: rules.Account{Address: payer}}, Kind: facts.KindSafe,
		Typed:   &facts.Typed{Safe: &facts.Safe{Address: other}},
		Actions: []facts.Action{{To: &other}},
	}
	s := &subject{Facts: f, action: &f.Actions[0]}
	if wordOf(t, "to: self").test(s) != isTrue {
		t.Error("the Safe is not self")
	}
	s.action = &facts.Action{To: &payer}
	if wordOf(t, "to: self").test(s) != isFalse {
		t.Error("the account is self")
	}
}

func TestWordsThatAreRefused(t *testing.T) {
	t.Parallel()
	for match, want := range map[string]string{
		`call: aprove`:                           "; did you mean approve",
		`call: "transfer(address"`:               "is no signature",
		`call: "transfer(adress32)"`:             "is no signature",
		`selector: "0xa9059c"`:                   "want 0x and 8 hexadecimal digits",
		`function: transfer`:                     "is no signature",
		`function: "f((uint256 a,uint256 a) t)"`: "two arguments have the name a",
		`function: "f(uint256 a b)"`:             "is no type with a name",
		`amount: "5 USDC"`:                       "amount_max and amount_min",
		`amount_max: "5 wei"`:                    `"wei" is no unit here`,
		`amount_max: "1 PUNK"`:                   "use token_id",
		`token_id: -1`:                           "below zero",
		`token: USDX`:                            "neither a token",
		`effect: transfers`:                      "is none of",
		`value_max: 5`:                           "want an amount with a unit",
		`plain: yes`:                             "want true or false",
		`data_max: 1e3`:                          "want a whole number",
		`to: []`:                                 "the list is empty",
		`recipient: nobody`:                      "neither an account",
		`deadline_within: never`:                 "want a time span",
		`function: "f(uint264)"`:                 "is no type",
		`function: "f(uint0)"`:                   "is no type",
		`function: "f(uint010)"`:                 "is no type",
		`function: "f(bytes33)"`:                 "is no type",
		`function: "f(bytes0)"`:                  "is no type",
		`chain: 18446744073709551617`:            "neither a chain",
		`chain: 010`:                             "neither a chain",
		`chain: 0`:                               "neither a chain",
		`siwe: {domain: a, uri_prefix: "//app.example/"}`:      "with the slash that ends its host",
		`siwe: {domain: a, uri_prefix: "https://app.example"}`: "with the slash that ends its host",
		`key: prod`:                               "want VAULT/KEY",
		`key: prod/`:                              "want VAULT/KEY",
		`key: /payouts`:                           "want VAULT/KEY",
		`key: prod/payouts/1`:                     "want VAULT/KEY",
		`time: {days: mon, zone: Local}`:          "is no time zone",
		`time: {days: mon, zone: ""}`:             "is no time zone",
		`time: {hours: "08:00-08:00", zone: UTC}`: "is no time at all",
		`time: {hours: [8], zone: UTC}`:           "want text",
	} {
		_, err := Load("words.yaml", []byte(strings.Replace(wordScope, "%s", match, 1)), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", match, err, want)
		}
	}
}
