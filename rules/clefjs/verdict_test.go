package clefjs

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// file reads a rule file of testdata.
func file(t testing.TB, name string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

func listing(accounts ...common.Address) *rules.Request {
	req := &rules.Request{Kind: rules.KindList, Caller: rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"}}
	for _, address := range accounts {
		req.Accounts = append(req.Accounts, rules.Account{Address: address, Vault: "prod", Key: "hot", Version: "0123"})
	}
	return req
}

// TestDeviation7LookAlikes: only the primitive strings decide. Clef also takes
// what turns into them.
func TestDeviation7LookAlikes(t *testing.T) {
	for result, want := range map[string]rules.Verdict{
		`"Approve"`:                       rules.Approve,
		`"App" + "rove"`:                  rules.Approve,
		`"Reject"`:                        rules.Reject,
		`new String("Approve")`:           rules.Refer,
		`["Approve"]`:                     rules.Refer,
		`{toString() {return "Approve"}}`: rules.Refer,
		`{valueOf() {return "Approve"}}`:  rules.Refer,
		`"approve"`:                       rules.Refer,
		`"Approve "`:                      rules.Refer,
		`"Approve\u0000"`:                 rules.Refer,
		`""`:                              rules.Refer,
		`true`:                            rules.Refer,
		`1`:                               rules.Refer,
		`null`:                            rules.Refer,
		`undefined`:                       rules.Refer,
		`Symbol("Approve")`:               rules.Refer,
		`Promise.resolve("Approve")`:      rules.Refer,
		`function () { return "Approve"}`: rules.Refer,
	} {
		t.Run(result, func(t *testing.T) {
			r := load(t, "function ApproveTx() { return ("+result+") }", Options{})
			decision := judge(t, r, transfer(1, big.NewInt(1), nil))
			if decision.Verdict != want || decision.Rule != "rules.js:ApproveTx" || decision.Reason == "" {
				t.Fatalf("got %+v", decision)
			}
		})
	}
}

// TestEveryKindHasItsFunction covers which function judges what, and that
// account_new is never asked about.
func TestEveryKindHasItsFunction(t *testing.T) {
	r := load(t, `
		const ApproveTx = () => "Approve"
		let ApproveSignData = r => r.content_type === "x" ? "Reject" : "Approve"
		var ApproveListing = function () { return "Reject" }`, Options{})
	if got := r.Functions(); !slices.Equal(got, []string{"ApproveTx", "ApproveListing", "ApproveSignData"}) {
		t.Fatalf("got %v", got)
	}
	for kind, want := range map[rules.Kind]rules.Verdict{
		rules.KindInvalid: rules.Undecided, rules.KindBlockPayload: rules.Undecided, rules.KindNewAccount: rules.Undecided, rules.KindList: rules.Reject,
		rules.KindText: rules.Approve, rules.KindData: rules.Approve, rules.KindTypedData: rules.Approve, rules.KindSafe: rules.Approve,
	} {
		req := message("hello")
		req.Kind = kind
		if decision := judge(t, r, req); decision.Verdict != want {
			t.Errorf("%v: got %+v", kind, decision)
		}
	}
	if decision := judge(t, r, transfer(1, big.NewInt(1), nil)); decision.Verdict != rules.Approve {
		t.Errorf("got %+v", decision)
	}
}

// TestReferralsSayWhere covers every way not to decide.
func TestReferralsSayWhere(t *testing.T) {
	for name, test := range map[string]struct{ source, want string }{
		"missing":    {`function ApproveTX() {}`, `rules.js defines no function ApproveTx`},
		"not one":    {`var ApproveTx = "Approve"`, `rules.js defines no function ApproveTx`},
		"exception":  {"function ApproveTx() {\n\tthrow new TypeError(\"no\")\n}", `rules.js:2:8 in ApproveTx: exception: TypeError: no`},
		"deeper":     {"function check() {\n\tx.y()\n}\nfunction ApproveTx() { check() }", `rules.js:2:2 in check: exception: ReferenceError: x is not defined`},
		"thrown":     {`function ApproveTx() { throw "no" }`, `rules.js:1:24 in ApproveTx: exception: no`},
		"unshowable": {`function ApproveTx() { throw {toString() { throw 1 }} }`, `rules.js:1:24 in ApproveTx: an exception that can't be shown`},
		"long":       {`function ApproveTx() { throw "x".repeat(1e6) }`, "xxx…"},
		"other":      {`function ApproveTx() { return "Perhaps" }`, `the function returned "Perhaps", which is neither "Approve" nor "Reject"`},
		"object":     {`function ApproveTx() { return {a: 1} }`, `the function returned an object (Object), which is neither "Approve" nor "Reject"`},
		"promise":    {`async function ApproveTx() { return "Approve" }`, `the function returned an object (Object), which`},
		"broken":     {`async function ApproveTx() { throw new Error("no") }`, `promise was broken by the exception Error: no`},
		"open":       {`function ApproveTx() { return new Promise(function () {}) }`, `a promise that nothing keeps`},
		"built-in":   {`var ApproveTx = Object`, `the function returned an object (Object), which`},
	} {
		t.Run(name, func(t *testing.T) {
			decision := judge(t, load(t, test.source, Options{}), transfer(1, big.NewInt(1), nil))
			if decision.Verdict != rules.Refer || !strings.Contains(decision.Reason, test.want) || len(decision.Reason) > 1000 {
				t.Fatalf("got %v, %q", decision.Verdict, decision.Reason)
			}
		})
	}
}

// TestDeviation5BrokenFilesDoNotLoad: Clef would go on without rules.
func TestDeviation5BrokenFilesDoNotLoad(t *testing.T) {
	for name, test := range map[string]struct{ source, want string }{
		"syntax":     {"function ApproveTx() {\n  return )\n}", "rules.js:2:10: Unexpected token )"},
		"unfinished": {"function ApproveTx() {", "rules.js:1:23: Unexpected end of input"},
		"throws":     {"\nthrow new Error(\"no\")", "rules.js:2:7: exception: Error: no"},
		"reference":  {"\n\n  web3.x", "rules.js:3:3: exception: ReferenceError: web3 is not defined"},
		"duplicate":  {"let a\nlet a", "rules.js:2:5: Identifier 'a' has already been declared"},
		"BigInt":     {"var a = [\n 1n]", "rules.js:2:2: BigInt 1n: rule files have no BigInt"},
		"deep":       {strings.Repeat("(", 300), "rules.js:1:257: brackets nest deeper than 256"},
		"long":       {strings.Repeat(" ", 1<<20), "rules.js:the source has 1048576 bytes: at most 262144 are read"},
		"storage":    {`storage.get("a")`, "no storage is configured"},
		"binary":     {"\x7fELF\x00\x01", "rules.js:1:1: Unexpected token ILLEGAL"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Load("rules.js", []byte(test.source), Options{})
			if err == nil {
				r.Close()
				t.Fatal("it loads")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %q", err)
			}
		})
	}
}

// TestListingsAreFiltered covers what ApproveListing may return.
func TestListingsAreFiltered(t *testing.T) {
	third := common.HexToAddress("0x03")
	for result, want := range map[string]struct {
		verdict rules.Verdict
		listed  []common.Address
	}{
		`"Approve"`:       {rules.Approve, nil},
		`"Reject"`:        {rules.Reject, nil},
		`[]`:              {rules.Approve, []common.Address{}},
		`r.accounts`:      {rules.Approve, []common.Address{sender, recipient}},
		`[r.accounts[1]]`: {rules.Approve, []common.Address{recipient}},
		`r.accounts.map(a => a.address.toUpperCase().replace("X", "x")).reverse()`: {rules.Approve, []common.Address{recipient, sender}},
		`[r.accounts[0], r.accounts[0]]`:                                           {rules.Approve, []common.Address{sender}},
		`["` + third.Hex() + `"]`:                                                  {rules.Refer, nil},
		`[r.accounts[0].address.slice(2)]`:                                         {rules.Refer, nil},
		`["0x01"]`:                                                                 {rules.Refer, nil},
		`[null]`:                                                                   {rules.Refer, nil},
		`[{}]`:                                                                     {rules.Refer, nil},
		`[,]`:                                                                      {rules.Refer, nil},
		`[{get address() { throw 1 }}]`:                                            {rules.Refer, nil},
		`[{get address() { for (;;) {} }}]`:                                        {rules.Refer, nil},
		`Array(4294967295)`:                                                        {rules.Refer, nil},
		`r.accounts.concat(r.accounts)`:                                            {rules.Refer, nil},
		`{length: 1, 0: r.accounts[0]}`:                                            {rules.Refer, nil},
		`new Proxy([], {get() { throw new Error("no") }})`:                         {rules.Refer, nil},
	} {
		t.Run(result, func(t *testing.T) {
			r := load(t, "function ApproveListing(r) { return "+result+" }", Options{Timeout: 200e6})
			decision := judge(t, r, listing(sender, recipient))
			if decision.Verdict != want.verdict || !slices.Equal(decision.Listed, want.listed) || (decision.Listed == nil) != (want.listed == nil) {
				t.Fatalf("got %v, %v, %q", decision.Verdict, decision.Listed, decision.Reason)
			}
		})
	}
}

// TestExamplesOfTheDocumentation runs Clef's examples.
func TestExamplesOfTheDocumentation(t *testing.T) {
	store := memory.New(nil)
	window := load(t, file(t, "window.js"), Options{Storage: store})
	for i, want := range []rules.Verdict{rules.Approve, rules.Approve, rules.Refer, rules.Approve, rules.Refer} {
		wei := big.NewInt([]int64{4e17, 5e17, 1e17, 1e16, 9e16}[i])
		req := transfer(uint64(i), wei, nil)
		decision, hold := keep(t, window, req)
		if decision.Verdict != want {
			t.Fatalf("request %d: got %+v", i, decision)
		}
		if hold != nil {
			if err := hold.Settle(t.Context(), req, sign(t, req)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if stored := store.Snapshot()["txs"]; strings.Count(stored, "tstamp") != 3 {
		t.Fatalf("stored %s", stored)
	}

	destination := load(t, file(t, "destination.js"), Options{})
	req := transfer(1, big.NewInt(1), nil)
	if got := judge(t, destination, req).Verdict; got != rules.Approve {
		t.Errorf("known sender: %v", got)
	}
	req.TransactionArgs.From = common.NewMixedcaseAddress(common.HexToAddress("0xdEaD"))
	if got := judge(t, destination, req).Verdict; got != rules.Reject {
		t.Errorf("rejected sender: %v", got)
	}
	req.TransactionArgs.From = common.NewMixedcaseAddress(recipient)
	if got := judge(t, destination, req).Verdict; got != rules.Refer {
		t.Errorf("other sender: %v", got)
	}
	if got := judge(t, destination, message("a bazonk b")).Verdict; got != rules.Approve {
		t.Errorf("message with the word: %v", got)
	}
	if got := judge(t, destination, message("hello")).Verdict; got != rules.Reject {
		t.Errorf("message without: %v", got)
	}

	// In Clef the example that is wrong decides nothing; here it says why, and
	// the number in it is read.
	scheme := load(t, file(t, "scheme.js"), Options{})
	if got := judge(t, scheme, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Approve {
		t.Errorf("got %+v", got)
	}
	if got := judge(t, scheme, transfer(1, big.NewInt(1e18), nil)); got.Verdict != rules.Refer {
		t.Errorf("got %+v", got)
	}
	if got := judge(t, scheme, listing(sender)); got.Verdict != rules.Refer || !strings.Contains(got.Reason, "rules.js:14:") {
		t.Errorf("got %+v", got)
	}
}

// TestBigNumberIsTheOldOne checks what rule files rely on of version 2.0.3,
// evaluated ahead of the call and when it is first read.
func TestBigNumberIsTheOldOne(t *testing.T) {
	for script, want := range map[string]string{
		`return new BigNumber("0x10").toString()`:             `"16"`, // Clef's copy throws
		`new BigNumber("1g", 16)`:                             "not a base 16 number",
		`return new BigNumber("10", 16).toString()`:           `"16"`,
		`return new BigNumber("1e21").toString()`:             `"1e+21"`,
		`return new BigNumber("1e21").toString(10)`:           `"1000000000000000000000"`,
		`new BigNumber(1234567890123456)`:                     "more than 15 significant digits",
		`return new BigNumber(1).div(3).toString()`:           `"0.33333333333333333333"`,
		`return JSON.stringify([new BigNumber("1e18")])`:      `"[\"1000000000000000000\"]"`,
		`return typeof BigNumber`:                             `"function"`,
		`BigNumber = 5; return "" + BigNumber`:                `"5"`,
		`return "" + ("BigNumber" in globalThis)`:             `"true"`,
		`return "" + delete globalThis["BigNumber"]`:          `"true"`,
		`return "" + new BigNumber("1.5").round().toNumber()`: `"2"`,
	} {
		name := "BigNumber"
		for range 2 {
			source := "function ApproveTx() {" + strings.ReplaceAll(script, "BigNumber", name) + "}"
			got := judge(t, load(t, source, Options{}), transfer(1, big.NewInt(1), nil))
			if !strings.Contains(got.Reason, want) {
				t.Errorf("%s: got %q", source, got.Reason)
			}
			name = `B\u0069gNumber` // which the search for the name does not find
		}
	}
}

// TestCallsAreIsolated: globals, prototypes and built-ins of one call are not
// those of the next.
func TestCallsAreIsolated(t *testing.T) {
	r := load(t, `var n = 0
		function ApproveTx() {
			n++; Object.prototype.x = (Object.prototype.x || 0) + 1; JSON.parse = null
			Array.prototype.join = null; storage.get = null; globalThis.y = (globalThis.y || 0) + 1
			return n + "/" + ({}).x + "/" + y
		}`, Options{})
	for range 30 {
		if got := judge(t, r, transfer(1, big.NewInt(1), nil)); !strings.Contains(got.Reason, `"1/1/1"`) {
			t.Fatalf("got %+v", got)
		}
	}
}

// TestConsole covers the text, its bounds, and that the top level's output
// appears once for each call, as in Clef.
func TestConsole(t *testing.T) {
	var lines []string
	r := load(t, `console.log("top")
		function ApproveTx() {
			console.error("a", 1, {}, null, undefined, [1, 2])
			console.log("x".repeat(1e5))
			for (var i = 0; i < 1e5; i++) console.log("0123456789")
			return "Approve"
		}`, Options{Console: func(level, text string) { lines = append(lines, level+": "+text) }})
	for call := range 2 {
		lines = lines[:0]
		judge(t, r, transfer(1, big.NewInt(1), nil))
		size := len(strings.Join(lines, ""))
		if len(lines) < 4 || len(lines) > 10000 || lines[0] != "log: top" || lines[1] != "error: a 1 [object Object] null undefined 1,2" || size > 150_000 {
			t.Fatalf("call %d: %d lines, %d bytes: %.200q", call, len(lines), size, lines)
		}
		if last := lines[len(lines)-1]; last != "error: the console's output is cut off here" {
			t.Fatalf("got %q", last)
		}
	}
	if got := fmt.Sprint(len(lines[2])); len(lines[2]) > maxLine+10 {
		t.Fatalf("a line of %s bytes", got)
	}
}
