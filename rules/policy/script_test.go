package policy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// answering is a rule file with one answer.
type answering struct {
	decision rules.Decision
	err      error
	asked    int
}

func (a *answering) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	a.asked++
	return a.decision, nil, a.err
}

func TestHandOver(t *testing.T) {
	t.Parallel()
	charges := []rules.Charge{{Counter: "daily"}}
	listed := []common.Address{{1}}
	allowed := rules.Decision{Verdict: rules.Approve, Rule: "pay", Charges: charges}
	referred := rules.Decision{Verdict: rules.Refer, Rule: "pay", Reason: "finance must approve", Charges: charges}
	for _, tt := range []struct {
		name        string
		first       rules.Decision
		answer      answering
		want        rules.Verdict
		reason, err string
		charged     bool
	}{
		{"approved by both", allowed, answering{decision: rules.Decision{Verdict: rules.Approve, Listed: listed}}, rules.Approve, "", "", true},
		{"people are asked all the same", referred, answering{decision: rules.Decision{Verdict: rules.Approve, Listed: listed}}, rules.Refer, "finance must approve", "", true},
		{"rejected", allowed, answering{decision: rules.Decision{Verdict: rules.Reject, Reason: "no"}}, rules.Reject, "rule pay hands over to a.js, which rejects: no", "", false},
		{"rejected before people are asked", referred, answering{decision: rules.Decision{Verdict: rules.Reject}}, rules.Reject, "which rejects", "", false},
		{"referred", allowed, answering{decision: rules.Decision{Verdict: rules.Refer, Reason: "no answer"}}, rules.Refer, "which refers: no answer", "", true},
		{"undecided", allowed, answering{}, rules.Reject, "does not decide about it", "", false},
		{"failed", allowed, answering{err: errors.New("disk full")}, rules.Undecided, "", "rule pay hands over to a.js: disk full", false},
	} {
		rule := Rule{ID: "pay", Effect: Allow, Script: "a.js"}
		p, err := (&Policy{rules: []Rule{rule}}).WithScripts(map[string]rules.Rule{"a.js": &tt.answer})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := p.handOver(t.Context(), &rules.Request{}, &rule, tt.first)
		if got.Verdict != tt.want || got.Rule != "pay" || !strings.Contains(got.Reason, tt.reason) || (len(got.Charges) > 0) != tt.charged {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if (err != nil) != (tt.err != "") || err != nil && err.Error() != tt.err {
			t.Errorf("%s: %v", tt.name, err)
		}
		if narrowed := got.Listed != nil; narrowed != (tt.answer.decision.Verdict == rules.Approve) || tt.answer.asked != 1 {
			t.Errorf("%s: listed %v, asked %d times", tt.name, got.Listed, tt.answer.asked)
		}
	}
}

// TestScriptsAreNeeded has what must not end in an approval without the file.
func TestScriptsAreNeeded(t *testing.T) {
	t.Parallel()
	p := &Policy{rules: []Rule{{ID: "free", Effect: Allow}, {ID: "pay", Effect: Allow, Script: "a.js"}, {ID: "pay-too", Effect: Allow, Script: "a.js"}}}
	if scripts := p.Scripts(); len(scripts) != 1 || scripts["a.js"] != "pay" {
		t.Errorf("%v", scripts)
	}
	if _, err := p.WithScripts(nil); err == nil || err.Error() != "rule pay hands over to a.js, which is not there" {
		t.Errorf("%v", err)
	}
	if _, err := p.WithScripts(map[string]rules.Rule{"a.js": &answering{}, "b.js": &answering{}}); err == nil || err.Error() != "no rule hands over to b.js by js" {
		t.Errorf("%v", err)
	}
	allowed := rules.Decision{Verdict: rules.Approve}
	if got, _, err := p.handOver(t.Context(), nil, &p.rules[1], allowed); err == nil || got.Verdict != rules.Undecided {
		t.Errorf("approved without its file: %+v, %v", got, err)
	}
	if got, _, err := p.handOver(t.Context(), nil, &p.rules[0], allowed); err != nil || got.Verdict != rules.Approve {
		t.Errorf("without a file to ask: %+v, %v", got, err)
	}
	script := &answering{decision: allowed}
	with, err := p.WithScripts(map[string]rules.Rule{"a.js": script})
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := with.handOver(t.Context(), nil, &p.rules[1], rules.Decision{Verdict: rules.Reject}); err != nil || got.Verdict != rules.Reject || script.asked != 0 {
		t.Errorf("a file was asked about what is rejected: %+v, %v", got, err)
	}
}

// resuming is a rule file that is told of what people have approved.
type resuming struct {
	answering
	resumed int
}

func (r *resuming) Resume(context.Context, *rules.Request) (rules.Hold, error) {
	r.resumed++
	return nil, nil
}

func TestResume(t *testing.T) {
	t.Parallel()
	open := false
	word := &seeing{"method", func(*subject) truth { return is(open) }}
	script := &resuming{}
	p, err := (&Policy{rules: []Rule{{ID: "pay", Effect: Allow, Script: "a.js", Approvals: &rules.Quorum{Group: "finance"}, Match: Match{Request: []predicate{word}}}}}).
		WithScripts(map[string]rules.Rule{"a.js": script})
	if err != nil {
		t.Fatal(err)
	}
	req := &rules.Request{Kind: rules.KindText}
	if _, err := p.Resume(t.Context(), req); err == nil || !strings.Contains(err.Error(), "rejects by now what people have approved: no rule matches") {
		t.Errorf("a request that no rule allows any more: %v", err)
	}
	open = true
	if _, err := p.Resume(t.Context(), req); err != nil || script.resumed != 1 || script.asked != 0 {
		t.Errorf("%v, resumed %d times, asked %d times", err, script.resumed, script.asked)
	}
}
