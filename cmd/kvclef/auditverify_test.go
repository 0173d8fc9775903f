package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi/audit"
)

func TestAuditVerify(t *testing.T) {
	path := auditTestLog(t, 9)
	text := mustKvclef(t, "audit", "verify", path)
	for _, want := range []string{
		"Entries     13 in ", " segments, ", "decision 9, outcome 4)", "First       1, 2026-11-25T01:00:00Z\n", "Last        13, ",
		"Checkpoint  none: ", "Open        1 approval without an outcome, under way or cut short by a crash: REQI\n", "Sound       every entry",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if byFolder := mustKvclef(t, "audit", "verify", "--datadir", filepath.Dir(path)); byFolder != text {
		t.Errorf("by its folder:\n%s", byFolder)
	}
	var report struct {
		Sound          bool
		Last, Segments uint64
		Head           string
		Damage         *auditDamage
	}
	if err := json.Unmarshal([]byte(mustKvclef(t, "audit", "verify", path, "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if !report.Sound || report.Last != 13 || report.Segments < 3 || report.Damage != nil {
		t.Errorf("report %+v", report)
	}

	// The head, kept elsewhere, finds what is cut off at the end.
	head := "13:" + report.Head
	if text := mustKvclef(t, "audit", "verify", path, "--checkpoint", head); !strings.Contains(text, "Checkpoint  of entry 13, as given; 0 after it\n") {
		t.Errorf("with its head:\n%s", text)
	}
	kept := filepath.Join(t.TempDir(), "head")
	writeFile(t, kept, []byte(head+"\n"))
	content := readFile(t, path)
	cut := bytes.LastIndexByte(content[:len(content)-1], '\n') + 1
	writeFile(t, path, content[:cut])
	mustKvclef(t, "audit", "verify", path)
	_, stderr, code := kvclef(t, "audit", "verify", path, "--checkpoint", kept)
	if code != exitFailure || !strings.Contains(stderr, "entry 13") {
		t.Errorf("cut off: exit code %d, %s", code, stderr)
	}
}

// TestAuditDamage changes one byte of an entry in the middle: each command ends
// with what is sound before it, and says where that is.
func TestAuditDamage(t *testing.T) {
	path := auditTestLog(t, 9)
	content := readFile(t, path)
	first := bytes.IndexByte(content, '\n') + 1
	at := bytes.LastIndex(content, []byte(`"method"`))
	if at < first {
		t.Fatal("the active segment has one entry")
	}
	content[at+12] ^= 1
	writeFile(t, path, content)
	stdout, stderr, code := kvclef(t, "audit", "verify", path)
	if code != exitFailure || !strings.Contains(stdout, "DAMAGED ") || strings.Contains(stdout, "Sound ") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	if !strings.HasPrefix(stderr, "kvclef: "+path+", line ") || !strings.Contains(stderr, ", entry 13: the entry was changed") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("it says %s", stderr)
	}
	stdout, _, code = kvclef(t, "audit", "verify", path, "--json")
	var report struct {
		Sound  bool
		Last   uint64
		Damage auditDamage
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitFailure {
		t.Fatalf("%v, exit code %d", err, code)
	}
	if d := report.Damage; report.Sound || report.Last != 12 || d.File != path || d.Seq != 13 || d.Line < 2 || d.Offset < int64(first) {
		t.Errorf("report %+v", report)
	}
	for name, lines := range map[string]int{"export": 12, "tail": 12, "show": 0} {
		args := []string{"audit", name, path}
		if name == "show" {
			args = []string{"audit", name, "REQZ", path}
		}
		stdout, stderr, code := kvclef(t, args...)
		if got := strings.Count(stdout, "\n"); got != lines || code != exitFailure || !strings.Contains(stderr, "entry 13") {
			t.Errorf("%s: %d lines, exit code %d, %s", name, got, code, stderr)
		}
	}
}

// TestAuditOlderSegmentsMissing: what is read has to begin at the beginning.
func TestAuditOlderSegmentsMissing(t *testing.T) {
	path := auditTestLog(t, 9)
	if err := os.Remove(path + ".00000000000000000001"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", path}, {"export", path}, {"show", "REQI", path}} {
		stdout, stderr, code := kvclef(t, append([]string{"audit"}, args...)...)
		if code != exitFailure || !strings.Contains(stderr, "begins with entry ") && !strings.Contains(stderr, "entry 6 stands where 1 should") || strings.Contains(stdout, "Sound") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	segments, err := filepath.Glob(path + ".0*")
	if err != nil || len(segments) == 0 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	mustKvclef(t, "audit", "verify", path, "--start", strings.TrimLeft(strings.TrimPrefix(segments[0], path+"."), "0"))
}

// TestVerifyProgress: a check that takes long says how far it is, now and then.
func TestVerifyProgress(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	p := &program{stderr: &said}
	now := time.Unix(0, 0)
	progress := p.verifyProgress(func() time.Time { return now })
	for range 25 {
		progress(audit.Report{Entries: uint64(now.Unix())})
		now = now.Add(time.Second)
	}
	if text := said.String(); strings.Count(text, "\n") != 3 || !strings.Contains(text, ": 2 entries") || !strings.Contains(text, ": 12 entries") {
		t.Errorf("it says\n%s", text)
	}
}
