package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// decision is an entry such as the service writes.
func decision(n int) Entry {
	return Entry{
		Event: EventDecision, Request: fmt.Sprintf("req-%d", n), Principal: "uid 1000", Transport: "ipc", Remote: "@", Method: "account_signTransaction", Kind: "transaction",
		Account: "0x71562b71999873DB5b286dF957af199Ec94617F7", Vault: "https://treasury.vault.azure.net", Key: "hot", KeyVersion: "0123456789abcdef0123456789abcdef",
		ChainID: "1", Nonce: "7", To: "0x5FbDB2315678afecb367f032d93F642f64180aa3", Value: "1000000000000000000", Selector: "0xa9059cbb",
		Call: "transfer(address,uint256)", DataBytes: 68, DataHash: "0x" + strings.Repeat("ab", 32), DataExcerpt: "0xa9059cbb", Digest: "0x" + strings.Repeat("cd", 32),
		Verdict: "approve", Rule: "policy/treasury", Reason: "to an address on the allow list, <1 ether & \"quoted\"",
	}
}

// open opens the log of a test.
func open(t testing.TB, path string, options Options) *Log {
	t.Helper()
	l, err := Open(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func appendAll(t testing.TB, l *Log, entries ...Entry) {
	t.Helper()
	for _, e := range entries {
		if err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// write makes a closed log of n decisions and returns its path.
func write(t testing.TB, n int, options Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path, options)
	for i := range n {
		appendAll(t, l, decision(i))
	}
	closeLog(t, l)
	return path
}

// verify checks a log that must be in order.
func verify(t testing.TB, path string, options VerifyOptions) Report {
	t.Helper()
	options.patience = 1
	report, err := Verify(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func writeFile(t testing.TB, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lines of a text, each with its newline.
func lines(text []byte) []string {
	all := strings.SplitAfter(string(text), "\n")
	return all[:len(all)-1]
}

// events of a log, in order, from one entry on.
func events(t testing.TB, path string, from uint64) []Entry {
	t.Helper()
	var all []Entry
	for record, err := range Entries(t.Context(), path, from) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record.Entry)
	}
	return all
}

// steady is a clock that stands still.
func steady() time.Time { return time.Date(2026, 11, 25, 19, 30, 0, 123456789, time.UTC) }
