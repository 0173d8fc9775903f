package approval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// recordPrefix is what the keys of tickets begin with.
const recordPrefix = "ticket/"

// recordVersion is that of the form below.
const recordVersion = 1

// record is a ticket as the store has it.
type record struct {
	Version int            `json:"version"`
	Text    string         `json:"text"` // of the content: what people vote on
	State   State          `json:"state"`
	Votes   []Vote         `json:"votes,omitempty"`
	Decided time.Time      `json:"decided,omitzero"`
	UseBy   time.Time      `json:"use_by,omitzero"`
	Holds   []rules.HoldID `json:"holds,omitempty"` // of limits, that are not settled
	Held    time.Time      `json:"held,omitzero"`   // when people were asked; it decides nothing
	Charges []rules.Charge `json:"charges,omitempty"`

	// Change is of one change alone, where others change tickets too: what another
	// process has stored is not taken for what was to be stored here.
	Change string `json:"change,omitempty"`
}

func encodeRecord(r *record) ([]byte, error) {
	r.Version = recordVersion
	encoded, err := json.Marshal(r)
	if err == nil && len(encoded) > rules.MaxRecordValue {
		err = fmt.Errorf("%d bytes", len(encoded))
	}
	if err != nil {
		return nil, fmt.Errorf("encoding a ticket: %w", err)
	}
	return encoded, nil
}

// decodeRecord reads a ticket. What it does not know is an error: it may mean that
// something may not be signed.
func decodeRecord(key string, value []byte) (*record, *Content, error) {
	r, content := new(record), new(Content)
	if err := strictly(value, r); err != nil {
		return nil, nil, fmt.Errorf("the record %q: %w", key, err)
	}
	if r.Version != recordVersion {
		return nil, nil, fmt.Errorf("the record %q has version %d, and this kvclef knows %d", key, r.Version, recordVersion)
	}
	if err := strictly([]byte(r.Text), content); err != nil {
		return nil, nil, fmt.Errorf("the record %q: what people are shown: %w", key, err)
	}
	switch {
	case key != recordPrefix+content.ID:
		return nil, nil, fmt.Errorf("the record %q is of the ticket %q", key, content.ID)
	case !r.State.Ended() && r.State != StateOpen && r.State != StateApproved:
		return nil, nil, fmt.Errorf("the record %q is in the unknown state %q", key, r.State)
	case r.State == StateApproved && r.UseBy.IsZero():
		return nil, nil, fmt.Errorf("the record %q is approved for ever", key)
	}
	if err := checkQuorums(content.Quorums); err != nil {
		return nil, nil, fmt.Errorf("the record %q: %w", key, err)
	}
	voted := make(map[string]bool, len(r.Votes))
	for i := range r.Votes {
		if person := r.Votes[i].Person; voted[person] {
			return nil, nil, fmt.Errorf("the record %q has two votes of %q", key, person)
		}
		voted[r.Votes[i].Person] = true
	}
	return r, content, nil
}

// strictly decodes one value that has no members that are not known.
func strictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows it")
	}
	return nil
}

// has reports whether a person has voted.
func (r *record) has(person string) bool {
	return slices.ContainsFunc(r.Votes, func(v Vote) bool { return v.Person == person })
}

// alike is what equal requests have in common: what people would be shown of them,
// and the rule and the policy that refers them.
func alike(subject []byte, decision rules.Decision) common.Hash {
	subject = withoutValues(subject)
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d ", len(subject), len(decision.Rule))
	b.Write(subject)
	b.WriteString(decision.Rule)
	b.Write(decision.Policy[:])
	if decision.FileRefers { // people who have approved what the file allowed did not approve this
		b.WriteString("file")
	}
	return hashOf([]byte(b.String()))
}

// withoutValues is a subject without the arguments of its call, which its data and its
// method say as well: another version of kvclef may have written them in another way,
// and an equal request finds what that one has asked.
func withoutValues(subject []byte) []byte {
	var members, call map[string]json.RawMessage
	var arguments []map[string]json.RawMessage
	if json.Unmarshal(subject, &members) != nil || members["call"] == nil ||
		json.Unmarshal(members["call"], &call) != nil || json.Unmarshal(call["arguments"], &arguments) != nil {
		return subject
	}
	for _, argument := range arguments {
		delete(argument, "value")
	}
	var failed error
	encode := func(value any) json.RawMessage {
		encoded, err := json.Marshal(value)
		failed = errors.Join(failed, err)
		return encoded
	}
	call["arguments"] = encode(arguments)
	members["call"] = encode(call)
	if text := encode(members); failed == nil {
		return text
	}
	return subject
}
