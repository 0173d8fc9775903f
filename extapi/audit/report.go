package audit

import "time"

// Report is what a log holds, as far as it was read.
type Report struct {
	Segments int    `json:"segments"`
	Bytes    int64  `json:"bytes"`
	Entries  uint64 `json:"entries"`
	First    uint64 `json:"first"` // number of the first entry; 0 if there is none
	Last     uint64 `json:"last"`
	Head     string `json:"head"` // hash of the last entry

	FirstTime time.Time `json:"first_time"`
	LastTime  time.Time `json:"last_time"`

	Events map[Event]uint64 `json:"events"`

	// Approvals to sign that have no outcome, in number and by the ids of the
	// first requests: the signer was killed, or they are under way. A
	// signature may exist, and was never released.
	Open       uint64   `json:"open"`
	OpenListed []string `json:"open_listed,omitempty"`

	// Checkpoint is the newest one that the chain holds, nil if there is none,
	// and AfterCheckpoint the number of entries after the last that it covers,
	// its own among them. Were those removed from the end, it would not be found.
	Checkpoint      *Checkpoint `json:"checkpoint,omitempty"`
	AfterCheckpoint uint64      `json:"after_checkpoint"`
	// Before is the checkpoint beside the log, if it covers an entry before the first: it
	// says nothing of what is here.
	Before *Checkpoint `json:"checkpoint_before,omitempty"`

	// JournalUnread is why it was not looked whether the journal has entries that the log
	// lacks, "" if it was.
	JournalUnread string `json:"journal_unread,omitempty"`

	Keys []string `json:"keys,omitempty"` // that signed checkpoints, in the order of their first
}

// Bounds of what is kept about requests, however long the log.
const (
	maxOpen       = 1 << 16 // approvals without an outcome that are told apart
	maxOpenListed = 100
)

// openRequests pairs approvals with outcomes.
type openRequests struct {
	number map[string]uint64 // request id → entry
	more   uint64            // beyond maxOpen
}

func (o *openRequests) add(e Entry) {
	switch {
	case e.Event == EventDecision && e.Verdict == "approve" && e.Digest != "":
		if len(o.number) >= maxOpen {
			o.more++
			return
		}
		o.number[e.Request] = e.Seq
	case e.Event == EventOutcome:
		if _, ok := o.number[e.Request]; ok {
			delete(o.number, e.Request)
		} else if o.more > 0 {
			o.more--
		}
	}
}
