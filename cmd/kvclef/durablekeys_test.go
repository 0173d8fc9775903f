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
		keys, most := newUsedKeys(kept, began.AddDate(100, 0, 0)), 0
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

// approvedKey is the approval of a request with a key of the same name.
func approvedKey(request string, at time.Time) *audit.Entry {
	return &audit.Entry{
		Event: audit.EventDecision, Request: request, Time: at, Verdict: rules.Approve.String(),
		Idempotency: &audit.Idempotency{Key: "idem/default/" + request, Request: "asked"},
	}
}

// TestKeysAndAClockAhead: one entry of a clock that was ahead drops no keys, nor does a clock
// that is ahead now.
func TestKeysAndAClockAhead(t *testing.T) {
	t.Parallel()
	const kept = 7 * 24 * time.Hour
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ entry, now time.Time }{
		"an entry": {began.AddDate(0, 1, 0), began.Add(time.Hour)},
		"now":      {began.Add(time.Hour), began.AddDate(0, 1, 0)},
	} {
		keys := newUsedKeys(kept, c.now)
		keys.take(approvedKey("old", began.Add(-2*kept)))
		keys.take(approvedKey("1", began))
		keys.take(&audit.Entry{Event: audit.EventDecision, Request: "2", Time: c.entry, Verdict: rules.Reject.String()})
		keys.take(approvedKey("3", began.Add(time.Minute)))
		if all := keys.all(); len(all) != 2 || all[0].ID != "1" || all[1].ID != "3" {
			t.Errorf("%s: they are %+v", name, all)
		}
	}
}

// TestKeysOfSeveralTries: a key is free if the vault signed for no try of its request.
func TestKeysOfSeveralTries(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		tries []rules.Outcome
		used  bool
	}{
		{[]rules.Outcome{rules.NotSigned}, false},
		{[]rules.Outcome{rules.NotSigned, rules.NotSigned}, false},
		{[]rules.Outcome{rules.Signed, rules.NotSigned}, true},
		{[]rules.Outcome{rules.Unknown, rules.NotSigned}, true},
		{[]rules.Outcome{rules.NotSigned, rules.Signed, rules.NotSigned}, true},
	} {
		keys := newUsedKeys(time.Hour, now)
		for _, result := range c.tries {
			keys.take(approvedKey("r", now))
			keys.take(&audit.Entry{Event: audit.EventOutcome, Request: "r", Time: now, Outcome: result.String()})
		}
		if all := keys.all(); len(all) > 0 != c.used {
			t.Errorf("%v: they are %+v", c.tries, all)
		}
	}
}
