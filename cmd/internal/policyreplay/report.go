package policyreplay

import (
	"cmp"
	"slices"
	"time"

	"github.com/kvclef/kvclef/cmd/internal/requestlog"
)

// Bounds of a report.
const (
	maxExamples = 3     // of a change, unless all are wanted
	maxChanges  = 1_000 // what goes beyond it is one change
)

// Report is what a replay found.
type Report struct {
	Requests  int       `json:"requests"`
	First     time.Time `json:"first,omitzero"` // when the first of them was judged
	Last      time.Time `json:"last,omitzero"`
	Alike     int       `json:"alike"`      // with the same verdict
	OtherRule int       `json:"other_rule"` // of those, by another rule
	Changed   int       `json:"changed"`
	Changes   []Change  `json:"changes"` // the most frequent first
	Limits    []Use     `json:"limits"`  // of the candidate
	Withheld  int       `json:"withheld"`

	options Options
	changes map[kind]*Change
}

// Change is a way in which decisions change.
type Change struct {
	From     Decision  `json:"from"` // with the reason of the first
	To       Decision  `json:"to"`
	Count    int       `json:"count"`
	Examples []Example `json:"examples"`
}

// Example is a request whose decision changes.
type Example struct {
	Seq   uint64    `json:"seq"` // of the entry
	Time  time.Time `json:"time"`
	ID    string    `json:"request"`
	Asked string    `json:"asked"` // for people
	From  Decision  `json:"from"`
	To    Decision  `json:"to"`
}

// kind is what changes have in common.
type kind struct{ from, to Decision }

// Others is the verdict of changes that are too many to be told apart.
const Others = "others"

func newReport(options Options) *Report {
	return &Report{options: options, Changes: []Change{}, changes: make(map[kind]*Change)}
}

// add takes in what was and would be decided about a request.
func (r *Report) add(entry *requestlog.Entry, from, to Decision) {
	if r.Requests++; r.Requests == 1 {
		r.First = entry.Time
	}
	r.Last = entry.Time
	if from.Verdict == to.Verdict {
		r.Alike++
		if from.Rule != to.Rule {
			r.OtherRule++
		}
		return
	}
	r.Changed++
	like := kind{from, to}
	like.from.Reason, like.to.Reason, like.from.Limit = "", "", ""
	change := r.changes[like]
	if change == nil && len(r.changes) >= maxChanges {
		like = kind{Decision{Verdict: Others}, Decision{Verdict: Others}}
		change = r.changes[like]
	}
	if change == nil {
		change = &Change{From: like.from, To: like.to}
		if like.from.Verdict != Others {
			change.From.Reason, change.To.Reason = from.Reason, to.Reason
		}
		r.changes[like] = change
	}
	change.Count++
	if r.options.All || len(change.Examples) < maxExamples {
		asked := r.options.Describe(entry.Request)
		change.Examples = append(change.Examples, Example{Seq: entry.Seq, Time: entry.Time, ID: entry.Request.ID, Asked: asked, From: from, To: to})
	}
}

// sort puts the changes in their order.
func (r *Report) sort() {
	for _, change := range r.changes {
		r.Changes = append(r.Changes, *change)
	}
	slices.SortFunc(r.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Examples[0].Seq, b.Examples[0].Seq))
	})
}
