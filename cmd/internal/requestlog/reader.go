package requestlog

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"strings"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// Options say what of a log is read. The zero value is all of it.
type Options struct {
	From uint64 // the first entry; 0 is the log's first

	// Within reports whether a decision is wanted; nil is every one.
	Within func(decision audit.Entry) bool
}

// Reader reads a log. It is for one reading.
type Reader struct {
	path    string
	options Options
	summary Summary
	waiting queue
	decoded map[string]bool // compound signatures
}

// maxDecoded bounds the different signatures with arrays or tuples that calls are
// decoded by: the types that are made for them stay in the memory of the process.
const maxDecoded = 4096

var errManySignatures = errors.New("the log has more than 4096 different signatures of methods with arrays or tuples")

// decodable tells whether there is room for the types of a decision's signature.
func (r *Reader) decodable(decision *audit.Entry) bool {
	if decision.Whole == nil {
		return true
	}
	signature := decision.Whole.Signature
	if r.decoded[signature] || !strings.Contains(signature, "[") && strings.Count(signature, "(") < 2 {
		return true
	}
	if len(r.decoded) == maxDecoded {
		return false
	}
	if r.decoded == nil {
		r.decoded = make(map[string]bool)
	}
	r.decoded[strings.Clone(signature)] = true
	return true
}

// rebuild returns the request of a decision.
func (r *Reader) rebuild(decision *audit.Entry) (*rules.Request, error) {
	if !r.decodable(decision) {
		return nil, errManySignatures
	}
	return extapi.Rebuild(*decision)
}

// New returns a reader of the log at path.
func New(path string, options Options) *Reader {
	return &Reader{path: filepath.Clean(path), options: options, summary: Summary{Unread: make(map[string]Unread)}}
}

// Summary returns what was read so far.
func (r *Reader) Summary() Summary { return r.summary }

// Entries returns the requests in the order of their decisions, across segments.
// Reading ends with the first error: of a broken chain an [audit.DamageError]. The
// memory that it takes is that of the requests whose outcome is still to come, and of
// the types of a bounded number of methods.
func (r *Reader) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for record, err := range audit.Entries(ctx, r.path, r.options.From) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			r.add(&record)
			if !r.pass(false, yield) {
				return
			}
		}
		r.pass(true, yield)
	}
}

// add takes in an entry of the log.
func (r *Reader) add(record *audit.Record) {
	entry := &record.Entry
	r.summary.Entries++
	if r.summary.First.IsZero() {
		r.summary.First = entry.Time
	}
	r.summary.Last = entry.Time
	switch entry.Event {
	case audit.EventDecision:
		r.waiting.push(entry, len(record.Raw))
	case audit.EventOutcome:
		r.waiting.settle(entry)
	case audit.EventStart:
		r.waiting.abandon() // what was open then ended with its process
	case audit.EventRefused:
		r.summary.Refused++
	}
}

// pass passes on what waits for nothing more, or everything. It is false when
// nobody wants any more.
func (r *Reader) pass(all bool, yield func(Entry, error) bool) bool {
	for {
		judged, ok := r.waiting.pop(all)
		if !ok {
			return true
		}
		if r.options.Within != nil && !r.options.Within(judged.decision) {
			continue
		}
		req, err := r.rebuild(&judged.decision)
		if err != nil {
			of := r.summary.Unread[err.Error()]
			if of.Count++; of.Count == 1 {
				of.First = judged.decision.Seq
			}
			r.summary.Unread[err.Error()] = of
			continue
		}
		r.summary.Requests++
		if !yield(judged.entry(req), nil) {
			return false
		}
	}
}

// entry is what is passed on.
func (j *judged) entry(req *rules.Request) Entry {
	return Entry{
		Seq: j.decision.Seq, Time: j.decision.Time, Request: req,
		Verdict: verdictOf(j.decision.Verdict), Rule: j.decision.Rule, Reason: j.decision.Reason, Policy: j.decision.Policy,
		Outcome: j.outcome, Settled: j.settled, Released: j.released, Repeat: j.repeat,
	}
}

// verdictOf returns the verdict of a name, Undecided of any other.
func verdictOf(name string) rules.Verdict {
	for v := rules.Undecided; v <= rules.Refer; v++ {
		if v.String() == name {
			return v
		}
	}
	return rules.Undecided
}

// outcomeOf returns the outcome of a name, Unknown of any other. A listing signs nothing.
func outcomeOf(name string) rules.Outcome {
	if name == audit.OutcomeListed {
		return rules.NotSigned
	}
	for o := rules.Unknown; o <= rules.NotSigned; o++ {
		if o.String() == name {
			return o
		}
	}
	return rules.Unknown
}
