package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// shownValue is how much of a stored value is printed for people, in bytes.
// JSON has all of it.
const shownValue = 200

// shownState is what state show prints.
type shownState struct {
	*store.Summary

	Running bool `json:"running"` // whether a signer answers on the data directory
}

// String returns the state as people read it. Texts that rule files and callers
// chose are quoted.
func (s shownState) String() string {
	var b strings.Builder
	running := "not running"
	if s.Running {
		running = "running"
	}
	fmt.Fprintf(&b, "State        %s\n", s.Path)
	fmt.Fprintf(&b, "Signer       %s\n", running)
	fmt.Fprintf(&b, "Format       %d\n", s.Version)
	fmt.Fprintf(&b, "Id           %s\n", s.ID)
	fmt.Fprintf(&b, "Created      %s\n", shownTime(s.Created))
	if !s.Latest.IsZero() {
		fmt.Fprintf(&b, "Latest time  %s\n", shownTime(s.Latest))
	}
	fmt.Fprintf(&b, "Attestation  %s\n", shownAttestation(s.Attestation))
	if s.PolicyAttestation != nil {
		fmt.Fprintf(&b, "  of policy  %s\n", shownAttestation(s.PolicyAttestation))
	}
	fmt.Fprintf(&b, "Storage      %d keys, %d bytes\n", s.Keys, s.Bytes)
	for _, key := range slices.Sorted(maps.Keys(s.Values)) {
		fmt.Fprintf(&b, "  %q: %s\n", key, shownText(s.Values[key]))
	}
	fmt.Fprintf(&b, "Counters     %d\n", len(s.Counters))
	for _, counter := range s.Counters {
		fmt.Fprintf(&b, "  %q: %s used, of that %s held, in %d charges; the next expires %s\n",
			counter.Name, counter.Used.Dec(), counter.Held.Dec(), counter.Charges, shownTime(counter.Next))
	}
	fmt.Fprintf(&b, "Holds        %d not settled\n", len(s.Holds))
	for _, hold := range s.Holds {
		fmt.Fprintf(&b, "  %d: %d charges, the last counts until %s\n", hold.ID, hold.Charges, shownTime(hold.Expires))
	}
	if s.Forgotten != nil {
		fmt.Fprintf(&b, "Given up     what was held since entry %d of %q\n", s.Forgotten.Seq, s.Forgotten.Log)
	}
	if s.Relied != nil && !s.Running {
		fmt.Fprintf(&b, "Audit log    what was held since entry %d is in %q alone: this is a copy, or the signer has crashed\n", s.Relied.Seq, s.Relied.Log)
	}
	s.writeRecords(&b)
	return b.String()
}

// writeRecords writes what kvclef remembers of transactions and the like.
func (s shownState) writeRecords(b *strings.Builder) {
	records, bytes := 0, int64(0)
	for _, kind := range s.Records {
		records, bytes = records+kind.Records, bytes+kind.Bytes
	}
	fmt.Fprintf(b, "Records      %d, %d bytes\n", records, bytes)
	for _, kind := range s.Records {
		fmt.Fprintf(b, "  %q: %d, %d bytes\n", kind.Kind, kind.Records, kind.Bytes)
	}
	for _, key := range slices.Sorted(maps.Keys(s.RecordValues)) {
		fmt.Fprintf(b, "  %q: %s\n", key, shownText(s.RecordValues[key]))
	}
}

// shownText is a value as people read it.
func shownText(value string) string {
	if len(value) > shownValue {
		return fmt.Sprintf("%q and %d bytes more", value[:shownValue], len(value)-shownValue)
	}
	return fmt.Sprintf("%q", value)
}

func shownAttestation(a *rules.Attestation) string {
	if a == nil {
		return "none of a rule file; kvclef rules attest FILE allows one"
	}
	text := fmt.Sprintf("%x\n             %s", a.SHA256, shownTime(a.Time))
	if a.File != "" {
		text += fmt.Sprintf(", of %q", a.File)
	}
	if a.Key == nil {
		return text + ", not signed"
	}
	if err := a.Verify(*a.Key); err != nil {
		return text + ", NOT VALID: " + err.Error()
	}
	return text + ", signed by " + a.Key.Hex()
}

func shownTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
