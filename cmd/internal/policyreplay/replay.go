// Package policyreplay judges by a policy what an audit log says was asked, and
// says which decisions it changes and how its limits would have stood.
//
// Each request is judged at the time of its entry. Limits are counted in memory,
// from nothing: what is approved is held from its decision on, and is given back
// where the log says that it was not signed. The package never reaches a vault, a
// node or a data directory, and never guesses a request that the log does not have
// in full.
package policyreplay

import (
	"context"
	"iter"
	"math"
	"strings"

	"github.com/kvclef/kvclef/cmd/internal/requestlog"
	"github.com/kvclef/kvclef/cmd/internal/rulestest"
	"github.com/kvclef/kvclef/rules"
)

// Decision is what was decided about a request, or would be.
type Decision struct {
	Verdict string `json:"verdict"` // of those of package rulestest: approve, reject, refer or undecided
	Rule    string `json:"rule,omitempty"`
	Limit   string `json:"limit,omitempty"`  // that would be passed
	Reason  string `json:"reason,omitempty"` // and of an undecided one the error
}

// Options say how a log is judged.
type Options struct {
	Candidate *Side
	Current   *Side // what it is compared with; nil is what the log says
	All       bool  // every decision that changes is in the report, and not a few of each kind

	// Describe tells what was asked, for people; nil is the kind of request.
	Describe func(req *rules.Request) string
}

// Replay judges the requests of a log. The error is that of the log, and the
// report then has what was before it.
func Replay(ctx context.Context, log iter.Seq2[requestlog.Entry, error], options Options) (*Report, error) {
	if options.Describe == nil {
		options.Describe = func(req *rules.Request) string { return req.Kind.String() }
	}
	report := newReport(options)
	defer report.sort()
	for entry, err := range log {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return report, err
		}
		before := recorded(&entry)
		if options.Current != nil {
			before = options.Current.Judge(ctx, &entry)
		}
		report.add(&entry, before, options.Candidate.Judge(ctx, &entry))
	}
	options.Candidate.settleBefore(ctx, math.MaxUint64)
	report.Limits, report.Withheld = options.Candidate.Limits(), options.Candidate.withheld
	return report, nil
}

// nobodyAsked ends the reason of an engine that has nobody to ask.
const nobodyAsked = "; no approver is configured"

// recorded is what the log says was decided. What a rule referred to people, and
// nobody was there, counts as referred.
func recorded(entry *requestlog.Entry) Decision {
	d := Decision{Verdict: entry.Verdict.String(), Rule: entry.Rule, Reason: entry.Reason}
	if reason, referred := strings.CutSuffix(entry.Reason, nobodyAsked); referred && entry.Verdict == rules.Reject {
		d.Verdict, d.Reason = rulestest.Refer, reason
	}
	return d
}
