package webhook

import (
	"encoding/json"
	"testing"
)

// FuzzBody: whatever callers say, a message is one JSON document.
func FuzzBody(f *testing.F) {
	f.Add("kind", "principal", "1000000000000000000", "reason")
	f.Add("<b>", "\"}", "-1", "\xff\u202e")
	f.Add("", "", "0x1", "")
	f.Fuzz(func(t *testing.T, kind, principal, value, reason string) {
		n := &notice{Event: EventOpened, Kind: kind, Principal: principal, Value: value, Reason: reason, Approved: []string{principal}}
		for _, template := range []string{"json", "slack", "teams"} {
			body, err := n.body(template)
			if err != nil || !json.Valid(body) {
				t.Errorf("%s: %q, %v", template, body, err)
			}
		}
	})
}
