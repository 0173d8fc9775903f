package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// TestKeysOfACopy: an idempotency key for which something may have been signed since a copy of
// the state was made is used when that is put back, by the audit log, also by one that came
// after. A key for which the vault signed nothing is free, and what the copy knows stays.
func TestKeysOfACopy(t *testing.T) {
	t.Parallel()
	for _, log := range []string{"a", "b"} {
		t.Run(log, func(t *testing.T) {
			t.Parallel()
			s := newSigner(t)
			s.at("a")
			d := s.start()
			use := func(key, outcome string) {
				t.Helper()
				decision := audit.Entry{
					Event: audit.EventDecision, Request: "request-" + key, Verdict: rules.Approve.String(),
					Idempotency: &audit.Idempotency{Key: "idem/default/" + key, Request: "asked"},
				}
				entries := []audit.Entry{decision, {Event: audit.EventOutcome, Request: decision.Request, Outcome: outcome}}
				if outcome == "" {
					entries = entries[:1]
				}
				if outcome == "refused" {
					entries = entries[:1]
					entries[0].Verdict = rules.Reject.String()
				}
				for _, entry := range entries {
					if err := d.record(t.Context(), entry); err != nil {
						t.Fatal(err)
					}
				}
			}
			known := []byte(`{"version":1,"state":"begun","request":"asked","time":"2026-11-28T00:00:00Z"}`)
			if err := d.store.ChangeRecords(t.Context(), rules.Change{Key: "idem/default/known", New: known}); err != nil {
				t.Fatal(err)
			}
			use("before", "signed")
			s.stop(d)
			copied := s.read(t, s.dir.Store())
			s.at(log)
			d = s.start()
			use("known", "signed")
			use("signed", "signed")
			use("unknown", "unknown")
			use("crashed", "")
			use("unsigned", "not signed")
			use("denied", "refused")
			s.stop(d)
			s.write(t, s.dir.Store(), copied)
			for range 2 {
				d = s.start()
				for key, want := range map[string]string{"known": "begun", "signed": "logged", "unknown": "logged", "crashed": "logged", "unsigned": "", "denied": "", "before": ""} {
					value, err := d.store.Record(t.Context(), "idem/default/"+key)
					if err != nil {
						t.Fatal(err)
					}
					is := ""
					if value != nil {
						is = string(value)
					}
					if (want == "") != (is == "") || !strings.Contains(is, want) || want == "logged" && !strings.Contains(is, `"logged":"request-`+key) {
						t.Errorf("key %s is %s, want %q", key, is, want)
					}
				}
				s.stop(d)
			}
		})
	}
}

// TestKeysThatAreNoLongerKept do not come back, nor fill the memory: old ones are dropped while
// the log is read, by its own time.
func TestKeysThatAreNoLongerKept(t *testing.T) {
	t.Parallel()
	const hours = 4 * manyKeys / 100
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for kept, want := range map[time.Duration]int{time.Hour: 200, 24 * time.Hour: 25 * 100, 0: hours * 100} {
		keys, most := newUsedKeys(kept), 0
		for hour := range hours {
			for i := range 100 {
				keys.take(&audit.Entry{
					Event: audit.EventDecision, Request: fmt.Sprint(hour, i), Verdict: rules.Approve.String(), Time: began.Add(time.Duration(hour) * time.Hour),
					Idempotency: &audit.Idempotency{Key: fmt.Sprintf("idem/default/%d/%d", hour, i), Request: "asked"},
				})
				most = max(most, len(keys.by))
			}
		}
		if got := len(keys.all()); got != want || kept != 0 && most > 2*want+manyKeys+1 {
			t.Errorf("%s: %d keys, %d at most, want %d", kept, got, most, want)
		}
	}
}
