package approval

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// State is what has become of a ticket. The zero state is none.
type State string

// The states that people see.
const (
	StateOpen     State = "open"     // people are asked
	StateApproved State = "approved" // enough have approved; an equal request is signed, once, until UseBy
	StateUsed     State = "used"     // a signature was asked for; whether one was made is not known
	StateSigned   State = "signed"   // a signature was made
	StateRejected State = "rejected" // one has rejected
	StateExpired  State = "expired"  // the time was over before enough had approved
	StateLapsed   State = "lapsed"   // it was approved, and nobody came for the signature in time, or its limits had no more room
	StateVoid     State = "void"     // the policy was changed before it was used
)

// States that nobody sees.
const (
	stateBegun State = "begun" // it is not durable yet
	stateNever State = "never" // it could not be made durable
)

// waits reports whether a ticket counts as one that people are asked about.
func (s State) waits() bool { return s == StateOpen || s == stateBegun }

// seen reports whether people may see a ticket.
func (s State) seen() bool { return s != stateBegun && s != stateNever }

// Ended reports whether nothing will become of a ticket any more but its removal.
func (s State) Ended() bool {
	switch s {
	case StateUsed, StateSigned, StateRejected, StateExpired, StateLapsed, StateVoid:
		return true
	default:
		return false
	}
}

// Content is what people are shown of a ticket. It never changes: they vote on the
// hash of its text.
type Content struct {
	ID       string    `json:"id"`
	Opened   time.Time `json:"opened"`   // UTC
	Deadline time.Time `json:"deadline"` // UTC; what is not approved by then is refused

	Subject json.RawMessage `json:"subject"` // a [Subject]

	Rule    string      `json:"rule"`              // that referred the request
	Reason  string      `json:"reason"`            // why
	Explain string      `json:"explain,omitempty"` // as the policy explains it
	Policy  common.Hash `json:"policy"`            // SHA-256 of the policy's file; zero if there is none

	// FileRefers says that the rule file itself has referred the request: what people approve is its
	// answer, too, and they are told so by Reason.
	FileRefers bool `json:"file_refers,omitempty"`

	Quorums []rules.Quorum `json:"quorums"` // all of them must approve
	Charges []Charge       `json:"charges,omitempty"`

	Request   string `json:"request"` // id of the first request that asked
	Transport string `json:"transport"`
	Remote    string `json:"remote"`
	UserAgent string `json:"user_agent,omitempty"` // as sent: never proof
	Origin    string `json:"origin,omitempty"`     // as sent: never proof
}

// Charge is what the request counts against a limit.
type Charge struct {
	Limit  string        `json:"limit"`
	Amount string        `json:"amount"` // decimal, in the limit's unit
	Cap    string        `json:"cap"`    // decimal; "" if the limit was exceeded, and people may approve that
	Window time.Duration `json:"window"` // nanoseconds

	// Max is the cap of a limit that was exceeded. A ticket of an earlier build has none, and
	// there Cap is "" of limits that had room, too.
	Max string `json:"max,omitempty"`
}

// Vote is one person's.
type Vote struct {
	Person  string    `json:"person"`
	Approve bool      `json:"approve"` // else it rejects
	Comment string    `json:"comment,omitempty"`
	Time    time.Time `json:"time"` // UTC
	Way     string    `json:"way"`  // how the person was known, such as "terminal", "passkey" or "oidc"

	// Requester says that the person asks for it, and is in a quorum that excludes who asks:
	// the vote counts for the others alone.
	Requester bool `json:"requester,omitempty"`

	// Proof is what was signed by the person, for those who check the journal.
	Proof json.RawMessage `json:"proof,omitempty"`
}

// Ticket is a referral and what has become of it. It is a copy, which its holder
// may keep and must not change.
type Ticket struct {
	Content Content
	Text    []byte      // of the content, JSON: what Hash is of
	Hash    common.Hash // SHA-256 of Text
	State   State
	Votes   []Vote
	Decided time.Time // when it was approved, rejected, expired or void; zero before
	UseBy   time.Time // of an approved one

	// Void says of one that is open or approved that another policy than its own is in
	// force here: nobody approves or uses it here.
	Void bool
}

// Missing returns how many must still approve of each quorum, in the order of the
// content's.
func (t *Ticket) Missing() []int {
	missing := make([]int, len(t.Content.Quorums))
	for i := range t.Content.Quorums {
		quorum := &t.Content.Quorums[i]
		missing[i] = quorum.Threshold
		for _, vote := range t.Votes {
			if vote.Approve && vote.countsFor(quorum) {
				missing[i]--
			}
		}
		missing[i] = max(0, missing[i])
	}
	return missing
}

// countsFor reports whether a vote counts for a quorum.
func (v *Vote) countsFor(quorum *rules.Quorum) bool {
	return quorum.Has(v.Person) && (quorum.Requester || !v.Requester)
}

// enough reports whether all quorums have approved.
func (t *Ticket) enough() bool {
	for _, missing := range t.Missing() {
		if missing > 0 {
			return false
		}
	}
	return len(t.Content.Quorums) > 0
}

// Subject decodes what the request is about.
func (t *Ticket) Subject() (*Subject, error) {
	s := new(Subject)
	if err := json.Unmarshal(t.Content.Subject, s); err != nil {
		return nil, fmt.Errorf("ticket %s: decoding what it is about: %w", t.Content.ID, err)
	}
	return s, nil
}

// hashOf is the hash that people vote on.
func hashOf(text []byte) common.Hash { return sha256.Sum256(text) }
