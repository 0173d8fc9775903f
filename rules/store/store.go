// Package store is what the stores of kvclef have in common for those who show
// them to people: what a summary tells, and why a store is not opened. It keeps
// nothing.
package store

import (
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// Summary is what a store holds.
type Summary struct {
	Path        string             `json:"path"` // of the file, or host, database and schema
	Version     int                `json:"version"`
	ID          string             `json:"id"`
	Created     time.Time          `json:"created"`
	Latest      time.Time          `json:"latest"`                // latest time seen; the zero time if none
	Attestation *rules.Attestation `json:"attestation,omitempty"` // of the rule file

	PolicyAttestation *rules.Attestation `json:"policy_attestation,omitempty"`

	Keys     int               `json:"keys"`             // of the storage
	Bytes    int64             `json:"bytes"`            // of its keys and values
	Values   map[string]string `json:"values,omitempty"` // if asked for
	Counters []Counter         `json:"counters"`         // by name
	Holds    []Hold            `json:"holds"`            // not settled, by id

	Records      []RecordKind      `json:"records"`                 // by kind
	RecordValues map[string]string `json:"record_values,omitempty"` // if asked for; never those that are sealed

	// Relied is how far the audit log had come when the state was written last, if what is
	// held since may be in that log alone: a signer runs, or has crashed, or this is a copy.
	Relied *LogHead `json:"relied_log,omitempty"`

	// Forgotten is from where on what a lost audit log had was given up on purpose, until
	// the signer starts and its log tells of it.
	Forgotten *LogHead `json:"forgotten_log,omitempty"`

	// LogHeads are of the replica that looks, the one used last at the end, and those that were
	// only read at the beginning. It is nil for a
	// state in a file that was used with no audit log.
	LogHeads []LogHead `json:"-"`
}

// RecordKind is what the records are whose keys begin with the same name.
type RecordKind struct {
	Kind    string `json:"kind"` // what stands before the first slash of the keys
	Records int    `json:"records"`
	Bytes   int64  `json:"bytes"` // of keys and values
}

// Sealed is how the keys begin of records whose values nobody is shown.
const Sealed = "sealed/"

// Counter is what counts against the limits of a counter.
type Counter struct {
	Name    string      `json:"name"`
	Used    uint256.Int `json:"used"`          // held and spent within the windows
	Held    uint256.Int `json:"held"`          // of that, by holds that are not settled
	Next    time.Time   `json:"next,omitzero"` // when the next of its charges no longer counts
	Charges int         `json:"charges"`       // that count, or would if others of their slots did not
}

// Hold is a hold that is not settled.
type Hold struct {
	ID      rules.HoldID `json:"id"`
	Charges int          `json:"charges"`
	Expires time.Time    `json:"expires"` // when the last of them no longer counts
}

// LogHead is up to where a state has what an audit log has.
type LogHead struct {
	Replica string    `json:"replica,omitempty"` // whose log it is, if several share the store
	Log     string    `json:"log"`               // its absolute path
	Seq     uint64    `json:"seq"`               // of its last entry
	Hash    string    `json:"hash"`              // of that, in hexadecimal
	Time    time.Time `json:"time"`              // when the log was used last, UTC; zero: it was only read
}
