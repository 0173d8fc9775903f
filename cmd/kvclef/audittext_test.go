package main

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/kvclef/kvclef/extapi/audit"
)

// hostile moves the cursor, clears the screen, sets the window's title, turns
// the direction of writing, and adds a line that looks like an entry.
const hostile = "ok\x1b[2J\x1b]0;owned\x07\r\n2026-01-01T00:00:00.000Z  decision\u202e\u200b\u0085\x9b1m\t\x00"

func FuzzShown(f *testing.F) {
	for _, seed := range []string{"", hostile, `a\n"b"`, "müller 0x…", "\xff\xfe", "\u2028\u2066"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, got := range []string{shown(text), quotedText(text), csvCell(text)} {
			if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%q has %q, which does not print", got, got[i:])
			}
		}
		if cell := csvCell(text); cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
			t.Errorf("%q is a formula", cell)
		}
	})
}

func TestShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                "",
		"plain words":     "plain words",
		`"quoted"`:        `"quoted"`,
		`back\slash`:      `back\\slash`,
		`\"`:              `\\"`,
		"tab\tline\n":     `tab\tline\n`,
		"\x1b[31mred":     `\x1b[31mred`,
		"\u202eevil":      `\u202eevil`,
		"Überweisung, 3€": "Überweisung, 3€",
		"\xff":            `\xff`,
	} {
		if got := shown(text); got != want {
			t.Errorf("%q is shown as %s, want %s", text, got, want)
		}
	}
}

func TestEther(t *testing.T) {
	t.Parallel()
	for wei, want := range map[string]string{
		"0":                       "0",
		"1":                       "0.000000000000000001",
		"1000000000000000000":     "1",
		"1500000000000000000":     "1.5",
		"123456789012345678901":   "123.456789012345678901",
		"100000000000000000000":   "100",
		"":                        "",
		"-1":                      "",
		"0x10":                    "",
		"1e3":                     "",
		"all":                     "",
		strings.Repeat("9", 1000): "",
		"115792089237316195423570985008687907853269984665640564039457584007913129639935": "115792089237316195423570985008687907853269984665640564039457.584007913129639935",
	} {
		if got := etherOf(wei); got != want {
			t.Errorf("%s wei are %q ether, want %q", wei, got, want)
		}
	}
}

// auditTestEntry is a decision as the signer writes it.
func auditTestEntry() audit.Entry {
	return audit.Entry{
		Seq: 1, Prev: strings.Repeat("0", 64), Time: time.Date(2026, 11, 25, 14, 0, 0, 120e6, time.UTC), Event: audit.EventDecision, Request: "REQ", Principal: "local",
		Transport: "ipc", Method: "account_signTransaction", Kind: "transaction", Account: "0x71562b71999873DB5b286dF957af199Ec94617F7",
		ChainID: "1337", Nonce: "7", To: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", Value: "1500000000000000000",
		Verdict: "approve", Rule: "rules.js", Reason: "small amount",
	}
}

func TestAuditLine(t *testing.T) {
	t.Parallel()
	yes, no, two := true, false, 2
	decision := auditTestEntry()
	outcome := audit.Entry{
		Time: decision.Time, Event: audit.EventOutcome, Request: "REQ", Method: decision.Method, Account: decision.Account, Outcome: "signed", Released: &yes,
	}
	withheld := outcome
	withheld.Released, withheld.Error = &no, "settling the approval: disk full"
	const at = "2026-11-25T14:00:00.120Z"
	for name, test := range map[string]struct {
		entry audit.Entry
		want  string
	}{
		"decision": {decision, at + "  decision    account_signTransaction  0x7156…17F7  approve   rule rules.js  chain 1337  nonce 7" +
			"  to 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266  value 1.5 ether (1500000000000000000 wei)  by local  reason \"small amount\"  id REQ"},
		"outcome":  {outcome, at + "  outcome     account_signTransaction  0x7156…17F7  signed    id REQ"},
		"withheld": {withheld, at + "  outcome     account_signTransaction  0x7156…17F7  signed, withheld  error \"settling the approval: disk full\"  id REQ"},
		"listing": {
			audit.Entry{Time: decision.Time, Event: audit.EventOutcome, Method: "account_list", Outcome: "signed", Released: &yes, Listed: &two},
			at + "  outcome     account_list             -            listed    2 accounts",
		},
		"refused": {
			audit.Entry{Time: decision.Time, Event: audit.EventRefused, Method: "account_sign\x1b[2J", Error: hostile},
			at + `  refused     account_sign\x1b[2J      -            refused   error "ok\x1b[2J\x1b]0;owned\a\r\n2026-01-01T00:00:00.000Z  decision\u202e\u200b\u0085\x9b1m\t\x00"`,
		},
		"start": {audit.Entry{Time: decision.Time, Event: audit.EventStart, Note: "kvclef 1"}, at + `  start       note "kvclef 1"`},
		"checkpoint": {
			audit.Entry{Time: decision.Time, Event: audit.EventCheckpoint, Checkpoint: &audit.Checkpoint{Seq: 4, Head: "ab", Key: "0x01"}},
			at + "  checkpoint  entry 4  head ab  key 0x01",
		},
	} {
		if got := auditLine(test.entry); got != test.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, test.want)
		}
	}
}
