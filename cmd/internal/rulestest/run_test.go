package rulestest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules/clefjs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The parts of cases that are much the same.
const (
	alice = "0x71562b71999873DB5b286dF957af199Ec94617F7"
	bob   = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
)

// payment is a request to pay bob.
func payment(value int) string {
	return fmt.Sprintf(`{"method":"account_signTransaction","params":[{"from":%q,"to":%q,"gas":"0x5208","gasPrice":"0x1","value":"%#x","nonce":"0x0"}]}`, alice, bob, value)
}

// mail is typed data for chain 10.
const mail = `{"types":{"EIP712Domain":[{"name":"chainId","type":"uint256"}],"Mail":[{"name":"text","type":"string"}]},` +
	`"primaryType":"Mail","domain":{"chainId":"10"},"message":{"text":"hello"}}`

// the rule file that most tests use: it knows each verdict.
const ruleFile = `
function ApproveTx(r) {
  var value = parseInt(r.transaction.value, 16)
  console.log("asked for", value, "by", r.meta.scheme)
  if (value > 100) { console.error("too much"); return "Reject" }
  if (value == 50) return
  if (value == 51) throw new Error("no idea")
  storage.put("asked", String(value))
  return "Approve"
}
function OnApprovedTx(r) {
  if (r.tx.value == "0x7") throw new Error("seven")
  storage.put("signed", r.tx.value + " " + r.raw.substr(0, 4) + " " + r.tx.r.substr(0, 2))
}
function ApproveListing(r) { return r.accounts.slice(1) }
function ApproveSignData(r) { return r.meta.Origin == "https://good.example" && r.meta["User-Agent"] == "u" ? "Approve" : "Reject" }
`

// try runs the one case of a text.
func try(t *testing.T, file, text string) []Result {
	t.Helper()
	c, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	results, err := Ruleset{Name: "rules.js", Source: []byte(file), Timeout: clefjs.MaxTimeout}.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestVerdicts(t *testing.T) {
	text := func(caller string) string {
		return `{"caller":` + caller + `,"request":{"method":"account_signData","params":["text/plain",` + fmt.Sprintf("%q", alice) + `,"0x00"]}}`
	}
	for _, tt := range []struct {
		name, request string
		want          Result
	}{
		{"approved", payment(5), Result{
			Verdict: Approve, Rule: "rules.js:ApproveTx", Console: []Line{{"log", "asked for 5 by ipc"}},
			Storage: []Change{{"asked", "", "5"}, {"signed", "", "0x5 0xf8 0x"}},
		}},
		{"rejected", payment(101), Result{
			Verdict: Reject, Rule: "rules.js:ApproveTx", Console: []Line{{"log", "asked for 101 by ipc"}, {"error", "too much"}},
		}},
		{"no answer", payment(50), Result{
			Verdict: Refer, Rule: "rules.js:ApproveTx", Reason: "undefined", Console: []Line{{"log", "asked for 50 by ipc"}},
		}},
		{"an exception", payment(51), Result{
			Verdict: Refer, Rule: "rules.js:ApproveTx", Reason: "rules.js:7:", Console: []Line{{"log", "asked for 51 by ipc"}},
		}},
		{"withheld", payment(7), Result{
			Verdict: Withheld, Rule: "rules.js:ApproveTx", Reason: "seven", Console: []Line{{"log", "asked for 7 by ipc"}},
			Storage: []Change{{"asked", "", "7"}},
		}},
		{"not an account of the signer", `{"accounts":["` + bob + `"],"request":` + payment(5) + `}`, Result{
			Verdict: Approve, Rule: "rules.js:ApproveTx", Console: []Line{{"log", "asked for 5 by ipc"}}, Storage: []Change{{"asked", "", "5"}},
			Note: "is not among the accounts of the case",
		}},
		{"wrong chain", `{"chain_id":10,"request":` + strings.Replace(payment(5), `{"from"`, `{"chainId":"0x1","from"`, 1) + `}`, Result{
			Verdict: Refused, Reason: "requested chainid 1 does not match the configuration of the signer",
		}},
		{"unknown member", strings.Replace(payment(5), `{"from"`, `{"form"`, 1), Result{Verdict: Refused, Reason: `"form"`}},
		{"member twice", strings.Replace(payment(5), `{"from"`, `{"value":"0x0","from"`, 1), Result{Verdict: Refused, Reason: "value"}},
		{"warned of", strings.Replace(payment(5), bob, strings.ToLower(bob), 1), Result{
			Verdict: Refused, Reason: "validation failed: Invalid checksum on recipient address", Note: "only by a signer that is advanced",
		}},
		{"warned of and advanced", `{"advanced":true,"request":` + strings.Replace(payment(5), bob, strings.ToLower(bob), 1) + `}`, Result{
			Verdict: Approve, Rule: "rules.js:ApproveTx", Console: []Line{{"log", "asked for 5 by ipc"}},
			Storage: []Change{{"asked", "", "5"}, {"signed", "", "0x5 0xf8 0x"}},
		}},
		{"no parameters", `{"method":"account_signTransaction"}`, Result{Verdict: Refused, Reason: "missing value for required argument 0"}},
		{"parameters by name", `{"method":"account_signTransaction","params":{}}`, Result{Verdict: Refused, Reason: "non-array args"}},
		{"unknown method", `{"method":"eth_getBalance"}`, Result{Verdict: Refused, Reason: "the method eth_getBalance does not exist/is not available"}},
		{"a subscription", `{"method":"account_subscribe","params":["x"]}`, Result{Verdict: Refused}},
		{"version", `{"method":"account_version"}`, Result{Verdict: Unasked, Reason: "account_version is answered without asking rules"}},
		{"new account", `{"method":"account_new"}`, Result{Verdict: Refer, Rule: "engine", Reason: "no rule decides about this request"}},
		{"listing of nothing", `{"method":"account_list"}`, Result{Verdict: Approve, Rule: "rules.js:ApproveListing", Note: "names no accounts"}},
		{"over http", text(`{"origin":"https://good.example","user_agent":"u"}`), Result{Verdict: Approve, Rule: "rules.js:ApproveSignData"}},
		{"over http from elsewhere", text(`{"origin":"https://evil.example","user_agent":"u"}`), Result{Verdict: Reject, Rule: "rules.js:ApproveSignData"}},
		{"typed data", `{"method":"account_signTypedData","params":["` + alice + `",` + mail + `]}`, Result{Verdict: Reject, Rule: "rules.js:ApproveSignData"}},
		{"typed data of another chain", `{"chain_id":1,"request":{"method":"account_signTypedData","params":["` + alice + `",` + mail + `]}}`, Result{
			Verdict: Refused, Reason: "requested chainid 10 does not match",
		}},
		{"listing", `{"accounts":["` + alice + `","` + bob + `"],"request":{"method":"account_list"}}`, Result{
			Verdict: Approve, Rule: "rules.js:ApproveListing",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := try(t, ruleFile, tt.request)[0]
			if got.Verdict != tt.want.Verdict || got.Rule != tt.want.Rule || !strings.Contains(got.Reason, tt.want.Reason) || !strings.Contains(got.Note, tt.want.Note) {
				t.Errorf("got  %s by %q: %q (%s)\nwant %s by %q: %q (%s)", got.Verdict, got.Rule, got.Reason, got.Note, tt.want.Verdict, tt.want.Rule, tt.want.Reason, tt.want.Note)
			}
			if !reflect.DeepEqual(got.Console, tt.want.Console) || !reflect.DeepEqual(got.Storage, tt.want.Storage) {
				t.Errorf("got  %v and %v\nwant %v and %v", got.Console, got.Storage, tt.want.Console, tt.want.Storage)
			}
			if tt.name == "listing" && (len(got.Listed) != 1 || !strings.EqualFold(got.Listed[0].Hex(), bob)) {
				t.Errorf("listed: %v", got.Listed)
			}
		})
	}
}

// TestWindow moves the clock of a rule file that counts what it approved
// within an hour.
func TestWindow(t *testing.T) {
	t.Parallel()
	const file = `
function OnSignerStartup(info) { storage.put("started", info.info.extapi_version) }
function ApproveTx(r) {
  var now = Date.now(), spent = JSON.parse(storage.get("spent") || "[]").filter(function (at) { return now - at < 3600e3 })
  if (spent.length >= 2) return "Reject"
  storage.put("spent", JSON.stringify(spent.concat(now)))
  return "Approve"
}`
	step := func(at, verdict string) string {
		return `{"time":"2026-01-01T` + at + `Z","request":` + payment(1) + `,"expect":{"verdict":"` + verdict + `","storage":{"started":"6.1.0"}}}`
	}
	results := try(t, file, `{"steps":[`+strings.Join([]string{
		step("10:00:00", "approve"), step("10:30:00", "approve"), step("10:59:59", "reject"), step("11:00:00", "approve"), step("11:00:01", "reject"),
	}, ",")+`]}`)
	for i, result := range results {
		if len(result.Failures) > 0 {
			t.Errorf("step %d: %v", i+1, result.Failures)
		}
	}
	if len(results) != 5 {
		t.Errorf("%d steps", len(results))
	}
}

// TestFailuresAreTold has each expectation fail, and pass.
func TestFailuresAreTold(t *testing.T) {
	listing := `"accounts":["` + alice + `","` + bob + `"],"request":{"method":"account_list"}`
	for _, tt := range []struct{ parts, expect, want string }{
		{`"request":` + payment(5), `{"verdict":"approve"}`, ""},
		{`"request":` + payment(5), `{"verdict":"reject"}`, "verdict: want reject, got approve"},
		{`"request":` + payment(101), `{}`, "verdict: want approve, got reject"},
		{`"request":` + payment(5), `{"rule":"ApproveTx"}`, ""},
		{`"request":` + payment(5), `{"rule":"rules.js:ApproveTx"}`, ""},
		{`"request":` + payment(5), `{"rule":"Tx"}`, `rule: want Tx, got "rules.js:ApproveTx"`},
		{`"request":` + payment(51), `{"verdict":"refer","reason":"no idea"}`, ""},
		{`"request":` + payment(51), `{"verdict":"refer","reason":"an idea"}`, `reason: want "an idea" in it`},
		{`"request":` + payment(101), `{"verdict":"reject","console":["asked for 101","too"]}`, ""},
		{`"request":` + payment(101), `{"verdict":"reject","console":["too"]}`, ""},
		{`"request":` + payment(101), `{"verdict":"reject","console":["too","asked"]}`, `console: "asked" is not among the 2 lines, or not in this order`},
		{`"request":` + payment(101), `{"verdict":"reject","console":[]}`, `console: want nothing, got "asked for 101 by ipc"`},
		{listing, `{"console":[]}`, ""},
		{`"storage":{"other":"x"},"request":` + payment(5), `{"storage":{"asked":"5","other":"x","none":""}}`, ""},
		{`"request":` + payment(5), `{"storage":{"asked":"6"}}`, `storage.asked: want "6", got "5"`},
		{`"request":` + payment(101), `{"verdict":"reject","storage":{"asked":"101"}}`, `storage.asked: want "101", got no value`},
		{listing, `{"listed":["` + bob + `"]}`, ""},
		{listing, `{"listed":[]}`, "listed: want [], got [0xf39F"},
		{`"request":` + payment(5), `{"listed":["` + bob + `"]}`, "listed: want [0xf39F"},
	} {
		t.Run(tt.expect, func(t *testing.T) {
			got := try(t, ruleFile, `{`+tt.parts+`,"expect":`+tt.expect+`}`)[0].Failures
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := try(t, ruleFile, payment(101))[0].Failures; len(got) != 1 || !strings.Contains(got[0], "without an expectation, a request must be approved") {
		t.Errorf("got %q", got)
	}
}

// TestRunaways end, and approve nothing.
func TestRunaways(t *testing.T) { // not parallel: memory is of all calls together
	c, err := Decode([]byte(payment(1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"for (;;) {}", "(function f() { f() })()", "var s = 'x'; for (;;) s += s"} {
		results, err := Ruleset{Name: "r.js", Source: []byte("function ApproveTx() { " + body + "; return 'Approve' }"), Timeout: 200 * time.Millisecond}.Run(t.Context(), c)
		if err != nil || results[0].Verdict == Approve || !strings.Contains(results[0].Reason, "r.js:1:") {
			t.Errorf("%s: %+v and %v", body, results, err)
		}
	}
}

func TestWhatCanNotBeTried(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want string }{
		{"broken file", "function ApproveTx( {", payment(1), "rules.js:1:"},
		{"throwing file", "\nthrow 1", payment(1), "rules.js:2:"},
		{"throwing start", "function OnSignerStartup() { throw new Error('no start') }", payment(1), "no start"},
		{"long key", "", `{"storage":{"` + strings.Repeat("k", 2<<10) + `":"v"},"request":` + payment(1) + `}`, "storage.kk"},
		{"impossible chain", "", `{"chain_id":18446744073709551615,"request":` + payment(1) + `}`, "step 1: chain id 18446744073709551615 is out of range"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Decode([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			_, err = Ruleset{Name: "rules.js", Source: []byte(tt.file)}.Run(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	if err := (Ruleset{Name: "rules.js", Source: []byte(ruleFile)}).Load(t.Context()); err != nil {
		t.Error(err)
	}
	if err := (Ruleset{Name: "rules.js", Source: []byte("let x = ;")}).Load(t.Context()); err == nil || !strings.Contains(err.Error(), "rules.js:1:9") {
		t.Errorf("got %v", err)
	}
}
