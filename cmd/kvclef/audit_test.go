package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi/audit"
)

// auditTestLog writes a log of several segments and returns its path. Every
// second request is refused by a rule, the last has no outcome.
func auditTestLog(t *testing.T, requests int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	at := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	log, err := audit.Open(t.Context(), path, audit.Options{MaxBytes: 2500, Now: func() time.Time {
		at = at.Add(time.Hour)
		return at
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range requests {
		decision := auditTestEntry()
		decision.Request, decision.Digest = "REQ"+string(rune('A'+i)), "0x01"
		released := true
		outcome := audit.Entry{Event: audit.EventOutcome, Request: decision.Request, Method: decision.Method, Outcome: "signed", Released: &released}
		if i%2 == 1 {
			decision.Verdict, decision.Reason = "reject", "=cmd|' /C calc'!A0 "+hostile
		}
		if err := log.Append(t.Context(), decision); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 && i < requests-1 {
			if err := log.Append(t.Context(), outcome); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// kvclef carries out a command line.
func kvclef(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"kvclef"}, args...), strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), code
}

// mustKvclef carries out a command line that succeeds.
func mustKvclef(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := kvclef(t, args...)
	if code != exitOK || stderr != "" {
		t.Fatalf("kvclef %q: exit code %d, %s", args, code, stderr)
	}
	return stdout
}

func TestAuditTail(t *testing.T) {
	path := auditTestLog(t, 9)
	text := mustKvclef(t, "audit", "tail", path, "-n", "3")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[2], "2026-11-25T13:00:00.000Z  decision    account_signTransaction  0x7156…17F7  approve ") {
		t.Errorf("the end is\n%s", text)
	}
	if !strings.Contains(lines[1], `reason "=cmd|' /C calc'!A0 ok\x1b[2J`) {
		t.Errorf("hostile text is shown as %q", lines[1])
	}
	if text := mustKvclef(t, "audit", "tail", path, "-n", "100"); strings.Count(text, "\n") != 13 {
		t.Errorf("all are\n%s", text)
	}
	if text := mustKvclef(t, "audit", "tail", path, "-n", "0"); text != "" {
		t.Errorf("none are\n%s", text)
	}
	if text := mustKvclef(t, "audit", "tail", path, "-n", "1", "--json"); !bytes.HasSuffix(readFile(t, path), []byte(text)) {
		t.Errorf("the last line is %s", text)
	}
}

// TestAuditFollow: what is written is shown, over a rotation, until an interrupt.
func TestAuditFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	log, err := audit.Open(t.Context(), path, audit.Options{MaxBytes: 500})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen, errs, ended := make(lineWriter, 100), new(lockedBuffer), make(chan int)
	go func() {
		ended <- run(ctx, []string{"kvclef", "audit", "tail", "-f", path}, strings.NewReader(""), seen, errs)
	}()
	for i := range 10 {
		entry := auditTestEntry()
		entry.Request = "REQ" + string(rune('A'+i))
		if err := log.Append(ctx, entry); err != nil {
			t.Fatal(err)
		}
		if line := <-seen; !strings.Contains(line, "id "+entry.Request) {
			t.Errorf("entry %d is shown as %s", i, line)
		}
	}
	cancel()
	if code := <-ended; code != exitOK || errs.String() != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
	segments, err := filepath.Glob(path + ".0*")
	if err != nil || len(segments) == 0 {
		t.Errorf("there was no rotation: %v, %v", segments, err)
	}
}

// lineWriter hands on what is written.
type lineWriter chan string

func (w lineWriter) Write(text []byte) (int, error) {
	w <- string(text)
	return len(text), nil
}

func TestAuditShow(t *testing.T) {
	path := auditTestLog(t, 9)
	byID := mustKvclef(t, "audit", "show", "REQC", path)
	for _, want := range []string{
		"seq                   4\n", "\n\nseq                   5\n", "request               REQC\n", "released              true\n",
		"value                 1500000000000000000 wei (1.5 ether)\n",
	} {
		if !strings.Contains(byID, want) {
			t.Errorf("%q is not in\n%s", want, byID)
		}
	}
	for _, seq := range []string{"4", "5"} {
		if text := mustKvclef(t, "audit", "show", seq, path); text != byID {
			t.Errorf("entry %s:\n%s", seq, text)
		}
	}
	if text := mustKvclef(t, "audit", "show", "REQC", path, "--json"); strings.Count(text, "\n") != 2 || !strings.HasPrefix(text, `{"seq":4,`) {
		t.Errorf("as JSON:\n%s", text)
	}
	if text := mustKvclef(t, "audit", "show", "REQB", path); !strings.Contains(text, `A0 ok\x1b[2J`) || strings.Contains(text, "\x1b") {
		t.Errorf("hostile text is shown as\n%s", text)
	}
	for _, nothing := range []string{"99", "0", "REQ"} {
		if stdout, stderr, code := kvclef(t, "audit", "show", nothing, path); code != exitFailure || stdout != "" || !strings.Contains(stderr, "no entry or request") {
			t.Errorf("%s: exit code %d, %s%s", nothing, code, stdout, stderr)
		}
	}
}

func TestAuditExport(t *testing.T) {
	path := auditTestLog(t, 9)
	var all []byte
	segments, err := filepath.Glob(path + ".0*")
	if err != nil || len(segments) < 2 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	for _, segment := range append(segments, path) {
		all = append(all, readFile(t, segment)...)
	}
	if text := mustKvclef(t, "audit", "export", path); text != string(all) {
		t.Errorf("the export is not the log:\n%s", text)
	}
	for _, test := range []struct {
		from, to string
		want     []string // numbers
	}{
		{"3", "5", []string{"3", "4", "5"}},
		{"2026-11-25T12:00:00Z", "", []string{"12", "13"}},
		{"", "2026-11-25T02:00:00Z", []string{"1"}},
		{"2026-11-26", "", nil},
		{"12", "2026-11-26", []string{"12", "13"}},
		{"2026-11-25T13:00:00+02:00", "12", []string{"11", "12"}},
	} {
		text := mustKvclef(t, "audit", "export", path, "--from", test.from, "--to", test.to, "--format", "csv")
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range rows[1:] {
			got = append(got, row[0])
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("from %q to %q: entries %v, want %v", test.from, test.to, got, test.want)
		}
	}
	out := filepath.Join(t.TempDir(), "out.csv")
	if text := mustKvclef(t, "audit", "export", path, "-o", out, "--format", "csv"); text != "" {
		t.Errorf("it says %s", text)
	}
	if table := string(readFile(t, out)); !strings.Contains(table, `,"'=cmd|' /C calc'!A0 ok\\x1b[2J`) && !strings.Contains(table, `,"'=cmd|' /C calc'!A0 ok\x1b[2J`) {
		t.Errorf("the table is\n%s", table)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the table's mode: %v, %v", info.Mode(), err)
	}
	if _, stderr, code := kvclef(t, "audit", "export", path, "-o", out); code != exitUsage || !strings.Contains(stderr, "is not overwritten") {
		t.Errorf("again: exit code %d, %s", code, stderr)
	}
}

// TestAuditFile: the commands find the log that a signer with the same flags,
// variables and configuration writes.
func TestAuditFile(t *testing.T) {
	path := auditTestLog(t, 1)
	dir, other := filepath.Dir(path), t.TempDir()
	cfg := filepath.Join(other, "kvclef.yaml")
	writeFile(t, cfg, []byte("audit:\n  file: "+path+"\n"))
	writeFile(t, filepath.Join(other, "audit.log"), []byte("not a log\n"))
	for _, args := range [][]string{
		{path},
		{path, "--datadir", other},
		{"--datadir", dir},
		{"--auditlog", path},
		{"--auditlog", path, "--datadir", other},
		{"--config", cfg},
		{"--config", cfg, "--datadir", other},
	} {
		if text := mustKvclef(t, append([]string{"audit", "verify"}, args...)...); !strings.HasPrefix(text, "Log         "+path+"\n") {
			t.Errorf("%v: %s", args, text)
		}
	}
	t.Setenv("KVCLEF_DATADIR", other)
	t.Setenv("KVCLEF_AUDITLOG", path)
	mustKvclef(t, "audit", "verify")
}

func TestAuditUsage(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	path := auditTestLog(t, 1)
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "audit needs a command"},
		{[]string{"verify", "a", "b"}, "no audit log at "},
		{[]string{"verify"}, "/.kvclef: make it with kvclef init --datadir "},
		{[]string{"verify", "--datadir", t.TempDir()}, "give the log's FILE, or the folder that it is in by --datadir"},
		{[]string{"verify", "--datadir", t.TempDir() + "/none"}, "--datadir"},
		{[]string{"tail", path + "x"}, "no audit log at " + path + "x"},
		{[]string{"tail", path, "-n", "-1"}, "-1 is not a number of entries"},
		{[]string{"tail", path, "-n", "many"}, "many"},
		{[]string{"show"}, "REQUEST-ID or SEQ is missing"},
		{[]string{"show", "1", path, "more"}, "one argument too many"},
		{[]string{"export", path, "--from", "yesterday"}, `--from: "yesterday" is neither`},
		{[]string{"export", path, "--to", "0"}, `--to: "0" is neither`},
		{[]string{"export", path, "--format", "xml"}, `"xml" is neither json nor csv`},
		{[]string{"export", path, "-o", filepath.Join(path, "x")}, "--output: "},
		{[]string{"verify", path, "--checkpoint", "1:abc"}, "--checkpoint: "},
		{[]string{"verify", path, "--checkpoint", path + "x"}, "is not SEQ:HASH, and no file"},
		{[]string{"verify", path, "--checkpoint", path}, "--checkpoint: "},
		{[]string{"verify", path, "--checkpoint-key", "dev/key"}, "is no address"},
	} {
		stdout, stderr, code := kvclef(t, append([]string{"audit"}, test.args...)...)
		if code != exitUsage || !strings.Contains(stderr, test.want) || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, %s%s; want %q", test.args, code, stdout, stderr, test.want)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
