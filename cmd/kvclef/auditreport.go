package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kvclef/kvclef/extapi/audit"
)

// verification is what checking a log found.
type verification struct {
	Log    string       `json:"log"`
	Sound  bool         `json:"sound"`
	Damage *auditDamage `json:"damage,omitempty"`
	audit.Report

	Approvals *approvalsCheck `json:"approvals,omitempty"`

	damage *audit.DamageError
	pinned bool // keys of checkpoints were given
}

// auditDamage is where a log is not what was written.
type auditDamage struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Offset  int64  `json:"offset"`
	Seq     uint64 `json:"seq,omitempty"`
	Problem string `json:"problem"`
}

// withDamage returns the verification for JSON.
func (v verification) withDamage() verification {
	if d := v.damage; d != nil {
		v.Damage = &auditDamage{d.File, d.Line, d.Offset, d.Seq, d.Problem}
	}
	return v
}

// failure is the damage in words, nil if there is none.
func (v verification) failure() error {
	d := v.damage
	if d == nil {
		if v.Approvals == nil { // they are checked over several logs
			return nil
		}
		return v.Approvals.failure()
	}
	place := d.File
	if d.Line > 0 {
		place += fmt.Sprintf(", line %d, byte %d", d.Line, d.Offset)
	}
	if d.Seq > 0 {
		place += fmt.Sprintf(", entry %d", d.Seq)
	}
	return errors.New(place + ": " + shown(d.Problem))
}

// text is the report for people. It ends with the damage, if there is any.
func (v verification) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		b.WriteString(reportLine(name, fmt.Sprintf(format, args...)))
	}
	r := v.Report
	line("Log", "%s", v.Log)
	line("Entries", "%d in %s, %d bytes%s", r.Entries, counted(r.Segments, "segment"), r.Bytes, v.eventCounts())
	if r.Entries > 0 {
		line("First", "%d, %s", r.First, r.FirstTime.UTC().Format(time.RFC3339))
		line("Last", "%d, %s", r.Last, r.LastTime.UTC().Format(time.RFC3339))
		line("Head", "%d:%s", r.Last, r.Head)
	}
	line("Checkpoint", "%s", v.checkpointText())
	if r.JournalUnread != "" {
		line("Journal", "not looked at, whether it has entries that the log lacks: %s", shown(r.JournalUnread))
	}
	if r.Open == 0 {
		line("Open", "no approval lacks its outcome")
	} else {
		line("Open", "%s without an outcome, under way or cut short by a crash: %s", counted(int(r.Open), "approval"), v.openText()) //nolint:gosec // as many as entries were read
	}
	b.WriteString(v.Approvals.lines())
	if v.Sound {
		line("Sound", "every entry is as it was written")
	} else {
		line("DAMAGED", "the above is what is sound before the damage")
	}
	return b.String()
}

// reportLine is a line of a report for people.
func reportLine(name, text string) string { return fmt.Sprintf("%-12s%s\n", name, text) }

// eventCounts says how many entries there are of each kind.
func (v verification) eventCounts() string {
	var counts []string
	for _, event := range []audit.Event{
		audit.EventDecision, audit.EventOutcome, audit.EventRefused, audit.EventStart, audit.EventStop, audit.EventRecovered, audit.EventPolicy, audit.EventCheckpoint,
		audit.EventTicket, audit.EventVote, audit.EventCredential,
	} {
		if n := v.Events[event]; n > 0 {
			counts = append(counts, fmt.Sprintf("%s %d", event, n))
		}
	}
	if len(counts) == 0 {
		return ""
	}
	return " (" + strings.Join(counts, ", ") + ")"
}

func (v verification) checkpointText() string {
	c := v.Checkpoint
	if b := v.Before; b != nil && c == nil {
		return fmt.Sprintf("none of these entries, and that beside the log is of entry %d before them: entries cut off at the end would not be noticed", b.Seq)
	}
	if c == nil {
		return "none: entries cut off at the end would not be noticed"
	}
	text := fmt.Sprintf("of entry %d, ", c.Seq)
	switch {
	case c.Key == "":
		text += "as given"
	case v.pinned:
		text += fmt.Sprintf("signed by %s at %s", c.Key, c.Time.UTC().Format(time.RFC3339))
	default:
		text += fmt.Sprintf("signed by %s at %s (whose key that is was not checked: give --checkpoint-key)", c.Key, c.Time.UTC().Format(time.RFC3339))
	}
	return text + fmt.Sprintf("; %d after it", v.AfterCheckpoint)
}

func (v verification) openText() string {
	const most = 10
	ids := v.OpenListed[:min(most, len(v.OpenListed))]
	text := shown(strings.Join(ids, ", "))
	if v.Open > uint64(len(ids)) {
		text += ", …"
	}
	return text
}
