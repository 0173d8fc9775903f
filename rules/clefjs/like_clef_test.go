package clefjs

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// TestInstancesOfGuardedConstructors: a constructor behind a check is still one
// for instanceof.
func TestInstancesOfGuardedConstructors(t *testing.T) {
	for _, expression := range []string{
		`/a/ instanceof RegExp`, `new RegExp("a") instanceof RegExp`, `RegExp("a") instanceof RegExp`, `!({} instanceof RegExp)`,
		`!("a" instanceof RegExp)`, `function () {} instanceof Function`, `ApproveTx instanceof Function`, `(() => 1) instanceof Object`,
		`new Uint8Array(1) instanceof Uint8Array`, `!(new Uint8Array(1) instanceof Uint16Array)`, `new ArrayBuffer(1) instanceof ArrayBuffer`,
		`new (class R extends RegExp {})("a") instanceof RegExp`, `!(/a/ instanceof class R extends RegExp {})`,
		`(function () { class R extends RegExp {} return new R("a") instanceof R })()`, `/a/.constructor === RegExp`,
	} {
		r := load(t, "function ApproveTx() { return ("+expression+`) ? "Approve" : "Reject" }`, Options{})
		if got := judge(t, r, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Approve {
			t.Errorf("%s: got %v, %q", expression, got.Verdict, got.Reason)
		}
	}
}

// TestConsoleShowsWhatCannotBeShown: a line for people changes no decision.
func TestConsoleShowsWhatCannotBeShown(t *testing.T) {
	var lines []string
	r := load(t, `function ApproveTx() {
		console.log("groups", /(?<a>x)/.exec("x").groups, 5)
		console.log({toString() { throw new Error("no") }})
		return "Approve"
	}`, Options{Console: func(_, text string) { lines = append(lines, text) }})
	if got := judge(t, r, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Approve {
		t.Errorf("got %v, %q", got.Verdict, got.Reason)
	}
	if got := strings.Join(lines, "|"); got != "groups [a value that can't be shown] 5|[a value that can't be shown]" {
		t.Errorf("got %s", got)
	}
	endless := load(t, `function ApproveTx() { console.log({toString() { for (;;); }}); return "Approve" }`, Options{Timeout: 50 * time.Millisecond})
	if got := judge(t, endless, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Refer || !strings.Contains(got.Reason, "stopped: ") {
		t.Errorf("endless: got %v, %q", got.Verdict, got.Reason)
	}
}

// TestFunctionsThatComeLater: an OnApprovedTx that the file did not define when
// it was loaded would count nothing.
func TestFunctionsThatComeLater(t *testing.T) {
	now := time.Unix(100, 0)
	r := load(t, `function ApproveTx() { return "Approve" }
		if (Date.now() > 150000) { globalThis.OnApprovedTx = function () {} }`, Options{Now: func() time.Time { return now }})
	if got := judge(t, r, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Approve {
		t.Fatalf("got %v, %q", got.Verdict, got.Reason)
	}
	now = time.Unix(200, 0)
	if got := judge(t, r, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Refer || !strings.Contains(got.Reason, "OnApprovedTx has changed") {
		t.Errorf("got %v, %q", got.Verdict, got.Reason)
	}
}

// TestExceptionsAreFitForATerminal: what a script throws is shown, not acted on.
func TestExceptionsAreFitForATerminal(t *testing.T) {
	r := load(t, "function ApproveTx() { throw new Error('\\x1b]0;owned\\x07\\n\\u202Eü') }", Options{})
	got := judge(t, r, transfer(1, big.NewInt(1), nil))
	if want := `\u001b]0;owned\u0007\u000a\u202eü`; got.Verdict != rules.Refer || !strings.Contains(got.Reason, want) {
		t.Errorf("got %v, %q", got.Verdict, got.Reason)
	}
	_, err := Load("rules.js", []byte("throw '\\x1b[2J'"), Options{})
	if err == nil || strings.Contains(err.Error(), "\x1b") || !strings.Contains(err.Error(), `\u001b[2J`) {
		t.Errorf("got %v", err)
	}
	for _, source := range []string{"throw 1", "var", strings.Repeat("(", maxNesting+1)} {
		_, err := Load("\x1b[2Jrules.js", []byte(source), Options{})
		if err == nil || !strings.Contains(err.Error(), `\u001b[2Jrules.js:1:`) {
			t.Errorf("%.10s: got %v", source, err)
		}
	}
}
