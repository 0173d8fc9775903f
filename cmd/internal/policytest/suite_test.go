package policytest

import (
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/cmd/internal/rulestest"
)

const (
	alice = "0x71562b71999873DB5b286dF957af199Ec94617F7"
	usdc  = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
)

const named = `
chains: {mainnet: 1}
accounts: {treasury: "0x71562b71999873db5b286df957af199ec94617f7"}
tokens: {USDC: {chain: mainnet, address: "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", decimals: 6}}
lists: {payees: ["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"]}
`

func TestRead(t *testing.T) {
	t.Parallel()
	suite, err := Read("a.test.yaml", []byte(`
accounts: [treasury]
principal: payouts
time: 2026-01-05T10:00:00Z
transaction: {from: treasury, chainId: mainnet, gas: 100000, maxFeePerGas: 20 gwei, maxPriorityFeePerGas: 1 gwei, nonce: 7, value: 0}
cases:
  - name: pays
    transaction: {to: USDC, call: "transfer(address,uint256)", args: [payees, 1.5 USDC]}
    expect: {rule: pay}
  - name: steps
    principal: other
    steps:
      - {transaction: {to: payees, value: 0.1 ether, nonce: 0x8}, expect: {verdict: reject}}
      - {principal: third, time: 2026-01-06T00:00:00Z, request: {method: account_list, params: []}, expect: {listed: [treasury]}}
`), NamesOf([]byte(named)))
	if err != nil {
		t.Fatal(err)
	}
	if len(suite.Cases) != 2 || suite.Cases[0].Line != 7 || suite.Cases[1].Name != "steps" || len(suite.Cases[1].Steps) != 2 {
		t.Fatalf("%+v", suite.Cases)
	}
	pays, steps := suite.Cases[0].Steps[0], suite.Cases[1].Steps
	want := `[{"to":"` + usdc + `","from":"` + alice + `","chainId":"0x1","gas":"0x186a0","maxFeePerGas":"0x4a817c800","maxPriorityFeePerGas":"0x3b9aca00","nonce":"0x7","value":"0x0",` +
		`"data":"0xa9059cbb000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266000000000000000000000000000000000000000000000000000000000016e360"}]`
	if got := string(pays.Request.Params); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if pays.Principal != "payouts" || !pays.Time.Equal(time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)) || pays.Expect.Rule != "pay" || pays.Expect.Verdict != rulestest.Approve {
		t.Errorf("%+v", pays)
	}
	if a := suite.Cases[0].Accounts; len(a) != 1 || a[0].Address.Hex() != alice {
		t.Errorf("%+v", a)
	}
	if steps[0].Principal != "other" || steps[0].Time.Hour() != 10 || !strings.Contains(string(steps[0].Request.Params), `"value":"0x16345785d8a0000"`) || !strings.Contains(string(steps[0].Request.Params), `"nonce":"0x8"`) {
		t.Errorf("%+v", steps[0])
	}
	if steps[1].Principal != "third" || steps[1].Time.Day() != 6 || steps[1].Expect.Listed[0].Hex() != alice {
		t.Errorf("%+v", steps[1])
	}
}

// TestNamesOfLists: a list stands for its first address, also where that is an account.
func TestNamesOfLists(t *testing.T) {
	t.Parallel()
	names := NamesOf([]byte(`
accounts: {hot: "` + alice + `"}
tokens: {hot: {chain: mainnet, address: "` + usdc + `", decimals: 6}}
lists: {ours: [hot, "0x4444444444444444444444444444444444444444"], others: ["` + usdc + `", hot], one: hot, none: [cold]}
`))
	for name, want := range map[string]string{"ours": alice, "others": usdc, "one": alice, "none": "none"} {
		if got := names.address(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestCallData(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ call, args, want string }{
		{"f()", "[]", "0x26121ff0"},
		{"f(uint8,int16,bool,bytes4,string)", `[255, "-1", true, "0x01020304", "é"]`, "ff"},
		{"f((address,uint256)[])", "[[[treasury, unlimited], [payees, 2]]]", strings.Repeat("f", 64)},
		{"multicall(bytes[])", `[[{call: "transfer(address,uint256)", args: [payees, 1]}, "0xab"]]`, "a9059cbb"},
	} {
		text := "cases: [{transaction: {from: treasury, call: '" + tt.call + "', args: " + tt.args + "}}]"
		suite, err := Read("a", []byte(text), NamesOf([]byte(named)))
		if err != nil {
			t.Errorf("%s: %v", tt.call, err)
			continue
		}
		if got := string(suite.Cases[0].Steps[0].Request.Params); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.call, got, tt.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "a: reading YAML: EOF"},
		{"no YAML", "cases: [", "a: reading YAML: "},
		{"a list", "[]", "a: want cases: and a list of them"},
		{"two documents", "cases: []\n---\ncases: []", "a second document"},
		{"no cases", "time: 2026-01-05T10:00:00Z", "a:1: no cases: a test that tests nothing does not pass"},
		{"an alias", "cases: [&x {}, *x]", "a: 1: anchors and aliases are not supported"},
		{"misspelt", "case: []\ncases: [{request: {method: x}}]", `a:1: unknown key "case"; did you mean cases`},
		{"twice", "time: x\ntime: y\ncases: []", "a:2: time: stands twice"},
		{"all at once", "cases:\n- {request: {}}\n- {expect: {}}", "a:2: request.method: missing\na:3: neither a request"},
		{"no mapping", "cases:\n- x", "a:2: a case has keys and values"},
		{"verdict", "cases:\n- {request: {method: x}, expect: {verdict: allow}}", `a:2: expect.verdict: "allow" is no verdict`},
		{"member", "cases:\n- {transaction: {form: x}}", `a:2: unknown key "form"; did you mean from`},
		{"unit", "cases:\n- {transaction: {value: 1 eth}}", `a:2: value: "1 eth": unknown unit`},
		{"places", "cases:\n- {transaction: {value: 0.5 wei}}", `has 0 places after the point`},
		{"no number", "cases:\n- {transaction: {value: much}}", `"much" is no number`},
		{"args alone", "cases:\n- {transaction: {args: []}}", "args: of what?"},
		{"no method", "cases:\n- {transaction: {call: transfer}}", `call: "transfer" is no method`},
		{"too few", "cases:\n- {transaction: {call: 'f(bool)'}}", "args: f(bool) has 1 arguments, not 0"},
		{"too large", "cases:\n- {transaction: {call: 'f(uint8)', args: [256]}}", "256 is no uint8"},
		{"negative", "cases:\n- {transaction: {call: 'f(uint8)', args: ['-1']}}", "-1 is no uint8"},
		{"bytes", "cases:\n- {transaction: {call: 'f(bytes4)', args: ['0x01']}}", "a bytes4 has 4 bytes, not 1"},
		{"address", "cases:\n- {transaction: {call: 'f(address)', args: [bob]}}", `"bob" is neither an address nor a name of the policy`},
		{"huge array", "cases:\n- {transaction: {call: 'f(uint8[100][101])', args: [[]]}}", "has arrays of 10001 elements, and may have 10000"},
		{"array", "cases:\n- {transaction: {call: 'f(uint8[2])', args: [[1]]}}", "uint8[2] has 2 elements, not 1"},
		{"two transactions", "cases:\n- {transaction: {}, request: {method: x}}", "a:2: request: stands twice"},
	} {
		_, err := Read("a", []byte(tt.text), NamesOf([]byte(named)))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestFileOf(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]string{"a.yaml": "a.test.yaml", "b/c.yml": "b/c.test.yaml", "x": "x.test.yaml"} {
		if got := FileOf(policy); got != want {
			t.Errorf("%s: %s", policy, got)
		}
	}
}
