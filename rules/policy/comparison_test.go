package policy

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// compared reads a comparison with a value of a type, where payouts is an
// account, ours a list and USDC a token.
func compared(t *testing.T, kind, text string) (comparison, []Problem) {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	p := &parser{scope: newScope()}
	p.scope.accounts["payouts"] = payouts
	p.scope.lists["ours"] = []common.Address{payouts, delegate}
	p.scope.tokens["USDC"] = token{name: "USDC", chain: 1, decimals: 6}
	typed := parameter{kind: kind}
	if kind != "" {
		parsed, err := parseParameter(kind, 0)
		if err != nil {
			t.Fatal(err)
		}
		typed = parsed
	}
	made, ok := p.comparison(document.Content[0], "v", typed)
	if ok != (len(p.problems) == 0) {
		t.Fatalf("%s: read: %v, problems %v", text, ok, p.problems)
	}
	return made, p.problems
}

func TestComparisons(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_000_000, 0)
	s := &subject{Facts: &facts.Facts{Request: &rules.Request{Account: rules.Account{Address: payouts}}, Time: at}}
	other := common.HexToAddress("0x9999999999999999999999999999999999999999")
	n := big.NewInt
	list := func(values ...any) []any { return values }
	type pair struct {
		To     common.Address
		Amount *big.Int
	}
	for _, test := range []struct {
		kind, text string
		value      any
		want       truth
	}{
		{"address", "payouts", payouts, isTrue},
		{"address", "payouts", other, isFalse},
		{"address", "self", payouts, isTrue},
		{"address", "self", other, isFalse},
		{"address", "[ours, self]", delegate, isTrue},
		{"address", "{not: ours}", delegate, isFalse},
		{"address", "{not: ours}", other, isTrue},
		{"address", "{in: [\"0x9999999999999999999999999999999999999999\"]}", other, isTrue},
		{"", "self", payouts, isTrue},
		{"", "ours", delegate, isTrue},
		{"", "ours", other, isFalse},
		{"", "ours", n(5), unknown},
		{"", "\"0x9999999999999999999999999999999999999999\"", other, isTrue},
		{"", "nobody", other, unknown},
		{"", "{not: nobody}", other, unknown},
		{"uint256", "5", n(5), isTrue},
		{"uint256", "5", n(6), isFalse},
		{"uint256", "[5, 6]", n(6), isTrue},
		{"uint8", "5", uint8(5), isTrue},
		{"int64", "-5", int64(-5), isTrue},
		{"int64", "{max: -5}", int64(-4), isFalse},
		{"int8", "-128", int8(-128), isTrue},
		{"int8", "127", int8(127), isTrue},
		{"uint256", "{min: 5, max: 6}", n(6), isTrue},
		{"uint256", "{min: 5, max: 6}", n(7), isFalse},
		{"uint256", "{min: 5, max: 6}", n(4), isFalse},
		{"uint256", "{max: 1 USDC}", n(1_000_000), isTrue},
		{"uint256", "{max: 1 USDC}", n(1_000_001), isFalse},
		{"uint256", "{max: 1 gwei}", n(1e9), isTrue},
		{"uint256", "{max: \"0xff\"}", n(255), isTrue},
		{"uint256", "{max: 115792089237316195423570985008687907853269984665640564039457584007913129639935}", new(big.Int).Sub(new(big.Int).Lsh(n(1), 256), n(1)), isTrue},
		{"uint256", "{not: {max: 5}}", n(5), isFalse},
		{"uint256", "{within: 1h}", n(1_003_600), isTrue},
		{"uint256", "{within: 1h}", n(1_003_601), isFalse},
		{"uint256", "{within: 1h}", n(1), isTrue},
		{"uint256", "{within: 1h}", n(0), isFalse}, // for ever, in permits of DAI
		{"uint256", "{not: {within: 1h}}", n(0), isTrue},
		{"", "{max: 5}", n(5), isTrue},
		{"", "{max: 5}", "5", unknown},
		{"", "{not: {max: 5}}", "5", unknown},
		{"", "5", "5", isTrue},
		{"", "5", n(5), isTrue},
		{"", "five", n(5), unknown},
		{"", "1 USDC", n(1_000_000), isTrue},
		{"", "[1 gwei, 1 USDC]", n(1e9), isTrue},
		{"", "1 DAI", n(1), unknown},
		{"", "1 DAI", "1 DAI", isTrue},
		{"", "{within: 1h}", "soon", unknown},
		{"bool", "true", true, isTrue},
		{"bool", "true", false, isFalse},
		{"", "false", false, isTrue},
		{"", "5", true, unknown},
		{"string", "hello", "hello", isTrue},
		{"string", "hello", "Hello", isFalse},
		{"string", "5", "5", isTrue},
		{"string", "{prefix: he}", "hello", isTrue},
		{"string", "{prefix: lo}", "hello", isFalse},
		{"string", "{length_max: 5}", "héllo", isTrue},
		{"string", "{length_max: 4}", "hello", isFalse},
		{"bytes", "\"0x0102\"", []byte{1, 2}, isTrue},
		{"bytes", "\"0x0102\"", []byte{1, 2, 3}, isFalse},
		{"bytes4", "\"0x01020304\"", [4]byte{1, 2, 3, 4}, isTrue},
		{"bytes", "{prefix: \"0x01\"}", []byte{1, 2}, isTrue},
		{"bytes", "{prefix: \"0x02\"}", []byte{1, 2}, isFalse},
		{"bytes", "{length_max: 1}", []byte{1, 2}, isFalse},
		{"", "hello", []byte("hello"), unknown},
		{"", "5", list(n(5)), unknown},
		{"", "{not: 5}", list(), unknown},
		{"", "{prefix: 5}", n(5), unknown},
		{"", "{prefix: he}", []byte("hello"), unknown},
		{"address[]", "{all: ours}", []common.Address{payouts, delegate}, isTrue},
		{"address[]", "{all: ours}", []common.Address{payouts, other}, isFalse},
		{"address[]", "{all: ours}", []common.Address{}, isTrue},
		{"address[]", "{any: ours}", []common.Address{other, delegate}, isTrue},
		{"address[]", "{any: ours}", []common.Address{other}, isFalse},
		{"address[]", "{any: ours}", []common.Address{}, isFalse},
		{"address[]", "{all: ours, length_max: 2}", []common.Address{payouts, payouts, payouts}, isFalse},
		{"uint256[2]", "{all: {max: 5}}", [2]*big.Int{n(5), n(5)}, isTrue},
		{"uint8[2]", "{any: 3}", [2]uint8{3, 4}, unknown}, // which Go has no other name for than bytes
		{"", "{any: ours}", list(n(5), delegate), isTrue},
		{"", "{any: ours}", list(n(5), other), unknown},
		{"", "{all: ours}", list(n(5), other), isFalse},
		{"", "{all: ours}", list(n(5), delegate), unknown},
		{"", "{all: ours}", "ours", unknown},
		{"", "{length_max: 1}", list(n(5), n(6)), isFalse},
		{"", "{length_max: 1}", n(5), unknown},
		{"(address,uint256)", "{member: {\"0\": ours, \"1\": {max: 5}}}", pair{payouts, n(5)}, isTrue},
		{"(address,uint256)", "{member: {\"0\": ours, \"1\": {max: 5}}}", pair{payouts, n(6)}, isFalse},
		{"(address to,uint256 amount)", "{member: {to: ours, amount: {max: 5}}}", pair{payouts, n(5)}, isTrue},
		{"(address to,uint256 amount)[]", "{all: {member: {to: ours, amount: {max: 5}}}}", []pair{{payouts, n(5)}, {payouts, n(6)}}, isFalse},
		{"(address to,uint256 amount)[]", "{any: {member: {to: ours, amount: {min: 6}}}}", []pair{{payouts, n(5)}, {payouts, n(6)}}, isTrue},
		{"", "{member: {details.to: ours, details.amounts.1: 6}}", map[string]any{"details": map[string]any{"to": payouts, "amounts": list(n(5), n(6))}}, isTrue},
		{"", "{member: {details.to: ours, details.amounts.1: 6}}", map[string]any{"details": map[string]any{"to": other, "amounts": list()}}, isFalse},
		{"", "{member: {details.to: ours, details.amounts.1: 6}}", map[string]any{"details": map[string]any{"to": payouts, "amounts": list()}}, unknown},
		{"", "{member: {amounts.1: 5}}", map[string]any{"amounts": list(n(5))}, unknown},
		{"", "{member: {amounts.first: 5}}", map[string]any{"amounts": list(n(5))}, unknown},
		{"", "{member: {to: ours}}", map[string]any{}, unknown},
		{"", "{member: {to: ours}}", nil, unknown},
		{"", "{member: {to: ours}}", n(5), unknown},
	} {
		made, problems := compared(t, test.kind, test.text)
		if len(problems) > 0 {
			t.Errorf("%s of %q: %v", test.text, test.kind, problems)
			continue
		}
		if got := made.holds(s, plain(test.value)); got != test.want {
			t.Errorf("%s of %q with %v: %v, want %v", test.text, test.kind, test.value, got, test.want)
		}
		if made.want() == "" || shownValue(test.value) == "" {
			t.Errorf("%s: wants %q, got %q", test.text, made.want(), shownValue(test.value))
		}
	}
}

func TestComparisonProblems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, text, want string }{
		{"address", "nobody", `v: "nobody" is neither an account, a list nor an address`},
		{"address", "5", `neither an account, a list nor an address`},
		{"address", "{max: 5}", "v.max: numbers are compared here, and the value is of the type address"},
		{"", "\"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB49\"", "the checksum"},
		{"uint8", "256", "v: 256 is no uint8"},
		{"uint8", "-1", "v: -1 is no uint8"},
		{"int8", "128", "v: 128 is no int8"},
		{"int8", "-129", "v: -129 is no int8"},
		{"uint256", "five", "want a whole number"},
		{"uint256", "1.5", "want a whole number"},
		{"uint256", "{min: 5 DAI}", `"DAI" is no unit here`},
		{"uint256", "{max: 0.0000001 USDC}", "has 7 decimals, and USDC has 6"},
		{"uint256", "{any: 5}", "v.any: lists have elements, and the value is of the type uint256"},
		{"uint256", "{member: {a: 5}}", "v.member: tuples have members, and the value is of the type uint256"},
		{"uint256", "{length_max: 5}", "v.length_max: lists, bytes and text have a length"},
		{"uint256", "{prefix: 5}", "v.prefix: text and bytes begin with something"},
		{"uint256[]", "5", "the value is of the type uint256[]: compare its elements"},
		{"uint256[]", "{within: 5m}", "numbers are compared here"},
		{"(address,uint256)", "payouts", "or its members"},
		{"(address to,uint256)", "{member: {\"2\": 5}}", `there is no "2" in (address,uint256)`},
		{"(address to,uint256)[]", "{any: {member: {too: 5}}}", "did you mean to"},
		{"bool", "1", "want true or false"},
		{"bytes", "hello", "want 0x and pairs of hexadecimal digits"},
		{"bytes", "{prefix: he}", "want 0x and pairs of hexadecimal digits"},
		{"bytes4", "\"0x010203\"", "want 0x and the digits of 4 bytes"},
		{"string", "{prefix: \"\"}", "everything begins with nothing"},
		{"", "{}", "want one of eq, in,"},
		{"", "{maximum: 5}", `v.maximum: unknown comparison "maximum"`},
		{"", "{equals: 5, eq: }", "nothing stands here"},
		{"", "{member: {}}", "want paths and comparisons"},
		{"", "{member: {a..b: 5}}", `"a..b" is no path`},
		{"", "{member: [a]}", "want keys and values"},
		{"", "{in: []}", "the list is empty"},
		{"", "{in: [[5]]}", "want text, not a list"},
		{"", "{not: {}}", "v.not: want one of"},
		{"", "{length_max: -1}", "want a whole number"},
		{"", "{within: soon}", "want a time span"},
	} {
		_, problems := compared(t, test.kind, test.text)
		found := false
		for _, problem := range problems {
			found = found || strings.Contains(problem.Text, test.want)
		}
		if !found {
			t.Errorf("%s of %q: %v, want %s", test.text, test.kind, problems, test.want)
		}
	}
}

// TestPlaces compares places with the form of whole numbers.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "0", "00", "01", "7", "10", "99999", "100000", "-1", "+1", "1x", "x", "1.0", " 1", "٣"} {
		n, ok := place(text)
		want := decimalForm.MatchString(text) && len(text) <= 5
		if ok != want || ok && fmt.Sprint(n) != text {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
}
