package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/extapi/audit"
)

// TestAuditAfterAPowerCut: whoever looks at a log learns that more of it is in its journal,
// and a new state beside it is not made.
func TestAuditAfterAPowerCut(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	mustKvclef(t, "init", "--datadir", data)
	path := filepath.Join(data, "audit.log")
	log, err := audit.Open(t.Context(), path, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{"A", "B", "C"} {
		entry := auditTestEntry()
		entry.Request = "REQ" + request
		if err := log.Append(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	text, journal := readFile(t, path), readFile(t, path+".journal")
	commands := map[string][]string{"verify": {path}, "export": {path}, "show": {"REQA", path}, "tail": {path}}
	for name, args := range commands { // while it is written
		mustKvclef(t, append([]string{"audit", name}, args...)...)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for n, lines := range map[string]int{"": 0, "some": 1} {
		cut := strings.Join(strings.SplitAfter(string(text), "\n")[:lines], "")
		writeFile(t, path, []byte(cut))
		writeFile(t, path+".journal", journal)
		for name, args := range commands {
			stdout, stderr, code := kvclef(t, append([]string{"audit", name}, args...)...)
			if code != exitFailure || !strings.Contains(stderr, "journal "+path+".journal alone") || !strings.Contains(stderr, "start the signer") || strings.Contains(stdout, "Sound  ") {
				t.Errorf("%q, %s: exit code %d, %s\n%s", n, name, code, stderr, stdout)
			}
		}
		state := filepath.Join(data, "state.db")
		kept := readFile(t, state)
		if err := os.Remove(state); err != nil {
			t.Fatal(err)
		}
		if _, stderr, code := kvclef(t, "init", "--datadir", data); code != exitUsage || !strings.Contains(stderr, "has entries, up to 3") {
			t.Errorf("%q: a new state is made: %d, %s", n, code, stderr)
		}
		writeFile(t, state, kept)
	}
}
