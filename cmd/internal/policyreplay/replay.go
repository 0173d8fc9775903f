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

// Replay judges the requests of a log. They are compared with what the log says,
// or with the current policy if one is given. Report.Changes has a few examples of
// each change, or all; its error is that of the log.
func Replay(ctx context.Context, log iter.Seq2[requestlog.Entry, error], current, candidate *Side, all bool) (*Report, error) {
	report := newReport(all)
	defer report.sort()
	for entry, err := range log {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return report, err
		}
		before := recorded(&entry)
		if current != nil {
			before = current.Judge(ctx, &entry)
		}
		report.add(&entry, before, candidate.Judge(ctx, &entry))
	}
	candidate.settleBefore(ctx, math.MaxUint64)
	report.Limits, report.Withheld = candidate.Limits(), candidate.withheld
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
