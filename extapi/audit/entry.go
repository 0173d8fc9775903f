// Package audit keeps the record of what was decided and signed: an
// append-only file of JSON lines, each of which carries the hash of the one
// before, so that a change, a removal, a reordering and a truncation are found.
//
// An entry counts when [Log.Append] returns nil: then it is on the disk. The
// package never decides anything, and never holds a secret. Of call data and
// messages it writes what it is given: a hash and an excerpt, or the whole request
// within a bound.
//
// # Files
//
// The log at PATH is a chain of segments. Entries are added to PATH. When it is
// full it is renamed to PATH. and the number of its first entry in 20 digits,
// and the chain goes on in a new PATH. PATH.lock is held by the one writer, and
// PATH.checkpoint is the newest signed head of the chain. PATH.journal has what was written
// last, and is what a power cut leaves whole; a log that was closed has none. Nothing but the writer
// may rotate. The oldest segments may be moved away; [VerifyOptions] then says
// where to start.
//
// # What is found
//
// [Verify] finds everything that was changed before the last entry. Whoever can
// write the files can also cut the end off, or write all of it anew with right
// hashes: that is found by a [Checkpoint] that was signed by a key which they
// don't have, and best kept where they can't write.
package audit

import "time"

// Event says what an entry records. The zero event is none.
type Event string

// The events.
const (
	EventStart      Event = "start"      // the log was opened by a signer
	EventStop       Event = "stop"       // the signer ended in good order
	EventDecision   Event = "decision"   // a request was judged
	EventOutcome    Event = "outcome"    // what became of an approved request
	EventRefused    Event = "refused"    // a request that was refused before it was judged
	EventRecovered  Event = "recovered"  // a torn last line was cut off after a crash
	EventPolicy     Event = "policy"     // another policy is in force from here on
	EventCheckpoint Event = "checkpoint" // the chain's head, signed by a vault key
	EventTicket     Event = "ticket"     // people are asked, or a ticket was decided or ended
	EventCredential Event = "credential" // a passkey of a person was added or removed
	EventVote       Event = "vote"       // a person has voted; with an error it does not count
)

// OutcomeListed is the outcome of a listing. Those of signatures are named by package rules.
const OutcomeListed = "listed"

// known reports whether an entry may have the event.
func (e Event) known() bool {
	switch e {
	case EventStart, EventStop, EventDecision, EventOutcome, EventRefused, EventRecovered, EventPolicy, EventCheckpoint, EventTicket, EventVote, EventCredential:
		return true
	default:
		return false
	}
}

// Entry is one line of the log. Members that don't apply are left out. Those
// of the chain, Seq, Prev and Time, are set by [Log.Append], and Replica by it too.
//
// Text that a caller chose is bounded by Append.
type Entry struct {
	Seq   uint64    `json:"seq"`  // from 1, without gaps, across segments
	Prev  string    `json:"prev"` // hash of the entry before, 64 hexadecimal digits
	Time  time.Time `json:"time"` // UTC
	Event Event     `json:"event"`

	Replica string `json:"replica,omitempty"` // who wrote it, of several signers that share their limits

	Request   string `json:"request,omitempty"` // request id; links decision and outcome
	Principal string `json:"principal,omitempty"`
	Transport string `json:"transport,omitempty"`
	Remote    string `json:"remote,omitempty"`
	Method    string `json:"method,omitempty"`
	Kind      string `json:"kind,omitempty"`

	Filled string `json:"filled,omitempty"` // members of the transaction that kvclef chose, not the caller, such as "gas,nonce"

	Account    string `json:"account,omitempty"` // checksummed (EIP-55)
	Vault      string `json:"vault,omitempty"`
	Key        string `json:"key,omitempty"`
	KeyVersion string `json:"key_version,omitempty"`

	ChainID     string `json:"chain_id,omitempty"` // decimal
	Nonce       string `json:"nonce,omitempty"`    // decimal
	To          string `json:"to,omitempty"`       // checksummed; left out for creation
	Value       string `json:"value,omitempty"`    // wei, decimal
	Selector    string `json:"selector,omitempty"` // of the call data, 0x and 8 digits
	Call        string `json:"call,omitempty"`     // decoded
	DataBytes   int    `json:"data_bytes,omitempty"`
	DataHash    string `json:"data_hash,omitempty"`    // Keccak-256 of the call data or the preimage
	DataExcerpt string `json:"data_excerpt,omitempty"` // its first bytes, 0x
	ContentType string `json:"content_type,omitempty"`
	Digest      string `json:"digest,omitempty"` // what was, or would have been, signed
	Listed      *int   `json:"listed,omitempty"` // number of accounts shown

	Verdict string `json:"verdict,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Ticket  string `json:"ticket,omitempty"`  // that people were asked by
	Policy  string `json:"policy,omitempty"`  // SHA-256 of the policy's file, 0x
	Explain string `json:"explain,omitempty"` // why, as the policy explains it

	// Hold is what an approval counts against limits, if the store leaves it to this
	// entry to make that durable.
	Hold *Hold `json:"hold,omitempty"`

	Idempotency *Idempotency `json:"idempotency,omitempty"` // of a decision: the key that its request came with

	State      string `json:"state,omitempty"`       // of a ticket
	TicketHash string `json:"ticket_hash,omitempty"` // SHA-256 of what people were shown, 0x
	Quorum     string `json:"quorum,omitempty"`      // who must approve, such as "2 of finance"
	Approver   string `json:"approver,omitempty"`    // who voted
	Vote       string `json:"vote,omitempty"`        // "approve" or "reject"
	Comment    string `json:"comment,omitempty"`
	Way        string `json:"way,omitempty"` // how the approver was known, such as "passkey"

	Credential string `json:"credential,omitempty"` // id of a passkey, base64url
	PublicKey  string `json:"public_key,omitempty"` // of it, COSE, base64url

	// Proof is what the approver has signed: JSON text in printable ASCII, at most
	// [MaxProof] bytes.
	Proof string `json:"proof,omitempty"`

	Outcome       string `json:"outcome,omitempty"`
	Released      *bool  `json:"released,omitempty"`       // whether the signature went to the caller
	VaultRequest  string `json:"vault_request,omitempty"`  // the vault's id of the request
	SignatureHash string `json:"signature_hash,omitempty"` // Keccak-256 of r‖s‖yparity
	Repeat        bool   `json:"repeat,omitempty"`         // whether the signature was given before, to an equal request
	First         string `json:"first_request,omitempty"`  // the request that it was made for
	Micros        int64  `json:"micros,omitempty"`         // microseconds since the request was decoded

	Error string `json:"error,omitempty"`
	Note  string `json:"note,omitempty"` // of start, recovered and such

	Before *Before `json:"before,omitempty"` // of a start: the log that was written before this one, if that was another

	Whole *Whole `json:"whole,omitempty"` // of a decision

	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
}

// MaxProof is the most bytes that the proof of a vote may have.
const MaxProof = 8 << 10

// Checkpoint is the head of the chain, signed by a vault key.
type Checkpoint struct {
	Seq       uint64    `json:"seq"`  // of the last entry that it covers
	Head      string    `json:"head"` // the hash of that entry
	Time      time.Time `json:"time"` // UTC
	Key       string    `json:"key"`  // address of the signing key, checksummed
	Signature string    `json:"signature"`
}
