package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi/audit"
)

// replicaLogs writes entries to the logs of replicas, in their order; of says to which.
// The clocks of the replicas are apart.
func replicaLogs(t *testing.T, entries []audit.Entry, of func(i int) int, apart time.Duration) []string {
	t.Helper()
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	var paths []string
	var logs []*audit.Log
	for replica, name := range []string{"a", "b", "c"} {
		path := filepath.Join(t.TempDir(), name+".log")
		log, err := audit.Open(t.Context(), path, audit.Options{Replica: name, Now: func() time.Time {
			return now.Add(time.Duration(replica) * apart)
		}})
		if err != nil {
			t.Fatal(err)
		}
		paths, logs = append(paths, path), append(logs, log)
	}
	for i, e := range entries {
		now = now.Add(100 * time.Millisecond)
		if err := logs[of(i)].Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, log := range logs {
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// turns takes the logs in turns; what becomes of a request is in the log of its decision.
func turns(i int) int {
	if i > 5 && i%2 == 0 {
		i--
	}
	return i % 3
}

// TestAuditVerifyAll: what was opened, voted on and used at different replicas is proved
// by all their logs together, also where their clocks are apart, and by no part of them.
func TestAuditVerifyAll(t *testing.T) {
	entries := append(provenVotes(t), signed("r", false))
	for name, apart := range map[string]time.Duration{"clocks agree": 0, "ahead": 2 * time.Second, "behind": -2 * time.Second} {
		for spread, of := range map[string]func(i int) int{
			"turns": turns, "late": func(i int) int { return max(0, min(i, 5)-3) }, "early": func(i int) int { return max(0, 2-i) },
			"one": func(int) int { return 1 },
		} {
			paths := replicaLogs(t, entries, of, apart)
			text := mustKvclef(t, append([]string{"audit", "verify"}, paths...)...)
			if !strings.Contains(text, "All logs\nApprovals   2 votes, of which 2 proved by passkeys; people approved 1 request\n") || strings.Count(text, "Sound  ") != 3 {
				t.Errorf("%s, %s:\n%s", name, spread, text)
			}
			for _, path := range paths { // no log alone is at fault for what is in the others
				mustKvclef(t, "audit", "verify", path)
			}
		}
	}
}

func TestAuditVerifyAllFinds(t *testing.T) {
	entries := append(provenVotes(t), signed("r", false))
	paths := replicaLogs(t, entries, turns, 0)
	stdout, stderr, code := kvclef(t, "audit", "verify", paths[0], paths[1])
	if code != exitFailure || !strings.Contains(stderr, "fault") || !strings.Contains(stdout, "UNPROVED    "+paths[0]+", entry ") && !strings.Contains(stdout, "UNPROVED    "+paths[1]+", entry ") {
		t.Errorf("one is missing: %d, %s\n%s", code, stderr, stdout)
	}
	twice := append(append([]audit.Entry(nil), entries...), again(entries[5]), signed("r2", false))
	if _, stderr, code := kvclef(t, append([]string{"audit", "verify"}, replicaLogs(t, twice, turns, 0)...)...); code != exitFailure || !strings.Contains(stderr, "was used for another signature before") {
		t.Errorf("used at two replicas: %d, %s", code, stderr)
	}
	content := readFile(t, paths[1])
	content[len(content)/2] ^= 1
	writeFile(t, paths[1], content)
	stdout, stderr, code = kvclef(t, append([]string{"audit", "verify", "--json"}, paths...)...)
	var report verifications
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if code != exitFailure || report.Sound || report.Logs[1].Damage == nil || report.Logs[0].Damage != nil || !strings.Contains(stderr, paths[1]) {
		t.Errorf("one is damaged: %d, %s, %+v", code, stderr, report)
	}
	for want, args := range map[string][]string{
		"named twice":        {paths[0], paths[0]},
		"--checkpoint is of": {paths[0], paths[2], "--checkpoint", "1:" + strings.Repeat("0", 64)},
		"--start is of":      {paths[0], paths[2], "--start", "2"},
	} {
		if _, stderr, code := kvclef(t, append([]string{"audit", "verify"}, args...)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d, %s", want, code, stderr)
		}
	}
}
