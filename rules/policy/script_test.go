package policy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/limit"
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
		decided, _, failed := p.Evaluate(t.Context(), &rules.Request{Kind: rules.KindText})
		if (failed != nil) != (tt.err != "") || failed != nil && decided.Verdict != rules.Undecided {
			t.Errorf("%s: the policy decides %v, %v", tt.name, decided.Verdict, failed)
		}
		tt.answer.asked = 0
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

func (r *resuming) Resume(context.Context, *rules.Request, rules.Decision) (rules.Hold, error) {
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
	req, said := &rules.Request{Kind: rules.KindText}, rules.Decision{Verdict: rules.Refer, Rule: "pay", FileRefers: true}
	if _, err := p.Resume(t.Context(), req, said); err == nil || !strings.Contains(err.Error(), "rejects by now what people have approved: no rule matches") {
		t.Errorf("a request that no rule allows any more: %v", err)
	}
	p.rules = append(p.rules, Rule{ID: "no", Effect: Deny, Match: Match{Request: []predicate{word}}})
	open = true
	if _, err := p.Resume(t.Context(), req, rules.Decision{Verdict: rules.Refer, Rule: "no"}); err == nil || !strings.Contains(err.Error(), "rejects by now what people have approved: rule no denies it") {
		t.Errorf("a request that is denied by now: %v", err)
	}
	p.rules = p.rules[:1]
	if _, err := p.Resume(t.Context(), req, said); err != nil || script.resumed != 1 || script.asked != 0 {
		t.Errorf("%v, resumed %d times, asked %d times", err, script.resumed, script.asked)
	}
}

// kept is what a rule file keeps aside.
type kept struct{ dropped bool }

func (k *kept) Drop()                                                      { k.dropped = true }
func (k *kept) Keep(context.Context) error                                 { return nil }
func (k *kept) Settle(context.Context, *rules.Request, rules.Result) error { return nil }

// keeping is a rule file with one answer that keeps something aside.
type keeping struct {
	resuming
	hold *kept
}

func (k *keeping) Evaluate(ctx context.Context, req *rules.Request) (rules.Decision, rules.Hold, error) {
	decision, _, err := k.resuming.Evaluate(ctx, req)
	return decision, k.hold, err
}

// TestResumeAsksAgain: a rule file that has approved what its rule refers to people is asked
// again, and only what it approves stands.
func TestResumeAsksAgain(t *testing.T) {
	t.Parallel()
	listed := []common.Address{{1}}
	for name, tt := range map[string]struct {
		answer  rules.Decision
		err     error
		want    string // "" if it stands
		changed bool
	}{
		"approves":           {answer: rules.Decision{Verdict: rules.Approve, Listed: listed}},
		"rejects":            {answer: rules.Decision{Verdict: rules.Reject, Reason: "spent"}, want: "rule pay hands over to a.js, which rejects: spent", changed: true},
		"refers":             {answer: rules.Decision{Verdict: rules.Refer}, want: "rule pay hands over to a.js, which refers", changed: true},
		"decides nothing":    {want: "which does not decide about it", changed: true},
		"lists others":       {answer: rules.Decision{Verdict: rules.Approve, Listed: []common.Address{{2}}}, want: "which lists other accounts", changed: true},
		"lists all":          {answer: rules.Decision{Verdict: rules.Approve}, want: "which lists other accounts", changed: true},
		"fails":              {err: errors.New("disk full"), want: "rule pay hands over to a.js: disk full"},
		"fails and approves": {answer: rules.Decision{Verdict: rules.Approve, Listed: listed}, err: errors.New("disk full"), want: "disk full"},
	} {
		script := &keeping{resuming{answering: answering{decision: tt.answer, err: tt.err}}, new(kept)}
		p, err := (&Policy{rules: []Rule{{ID: "pay", Effect: Allow, Script: "a.js", Approvals: &rules.Quorum{Group: "finance"}}}}).WithScripts(map[string]rules.Rule{"a.js": script})
		if err != nil {
			t.Fatal(err)
		}
		said := rules.Decision{Verdict: rules.Refer, Rule: "pay", Listed: listed}
		hold, err := p.Resume(t.Context(), &rules.Request{Kind: rules.KindText}, said)
		var changed *rules.ChangedError
		switch {
		case (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) || errors.As(err, &changed) != tt.changed:
			t.Errorf("%s: %v", name, err)
		case (hold != nil) != (tt.want == "") || script.hold.dropped != (tt.want != "") || script.asked != 1 || script.resumed != 0:
			t.Errorf("%s: hold %v, dropped %v, asked %d times, resumed %d times", name, hold, script.hold.dropped, script.asked, script.resumed)
		}
	}
}

// TestResumeWithoutTheFile: what a rule file must be told of is not signed without it. One
// that takes no part in what people approve is not told.
func TestResumeWithoutTheFile(t *testing.T) {
	t.Parallel()
	p := &Policy{rules: []Rule{{ID: "pay", Effect: Allow, Script: "a.js", Approvals: &rules.Quorum{Group: "finance"}}}}
	req, said := &rules.Request{Kind: rules.KindText}, rules.Decision{Verdict: rules.Refer, Rule: "pay", FileRefers: true}
	if _, err := p.Resume(t.Context(), req, said); err == nil || err.Error() != "rule pay hands over to a.js, which is not loaded" {
		t.Errorf("%v", err)
	}
	script := &answering{}
	with, err := p.WithScripts(map[string]rules.Rule{"a.js": script})
	if err != nil {
		t.Fatal(err)
	}
	if hold, err := with.Resume(t.Context(), req, said); err != nil || hold != nil || script.asked != 0 {
		t.Errorf("%v, %v, asked %d times", hold, err, script.asked)
	}
}

// TestResumeDiffers: what other people, another rule or other limits would be asked about by
// now was not approved.
func TestResumeDiffers(t *testing.T) {
	t.Parallel()
	finance := &rules.Quorum{Group: "finance", Threshold: 2, Of: []string{"alice", "bob"}}
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"carol"}}
	req := &rules.Request{Kind: rules.KindText}
	rule := Rule{ID: "pay", Effect: Allow, Approvals: finance, OverLimit: board, asked: []*rules.Quorum{finance}, Limits: []limit.Limit{
		{ID: "daily", Measure: limit.Signatures, Max: *uint256.NewInt(5), Window: time.Hour},
	}}
	p := &Policy{rules: []Rule{rule}}
	said, _, err := p.Evaluate(t.Context(), req)
	if err != nil || said.Verdict != rules.Refer || len(said.Charges) != 1 {
		t.Fatalf("%+v, %v", said, err)
	}
	for name, tt := range map[string]struct {
		change func(*rules.Decision)
		want   string // "" is nothing
	}{
		"nothing":          {func(*rules.Decision) {}, ""},
		"equal people":     {func(d *rules.Decision) { q := *finance; q.Wait = time.Minute; d.Quorums = []*rules.Quorum{&q} }, ""},
		"a rule":           {func(d *rules.Decision) { d.Rule = "day" }, "by rule pay, and not by day"},
		"a threshold":      {func(d *rules.Decision) { q := *finance; q.Threshold = 1; d.Quorums = []*rules.Quorum{&q} }, "other people"},
		"no people":        {func(d *rules.Decision) { d.Quorums = nil }, "other people"},
		"more people":      {func(d *rules.Decision) { d.Quorums = []*rules.Quorum{finance, board} }, "other people"},
		"no board":         {func(d *rules.Decision) { d.OverLimit = nil }, "other people"},
		"another board":    {func(d *rules.Decision) { d.OverLimit = finance }, "other people"},
		"no limits":        {func(d *rules.Decision) { d.Charges = nil }, "other limits"},
		"another counter":  {func(d *rules.Decision) { d.Charges[0].Counter += "/account=0x71" }, "other limits"},
		"another cap":      {func(d *rules.Decision) { d.Charges[0].Cap = *uint256.NewInt(6) }, "other limits"},
		"another amount":   {func(d *rules.Decision) { d.Charges[0].Amount = *uint256.NewInt(2) }, "other limits"},
		"another window":   {func(d *rules.Decision) { d.Charges[0].Window++ }, "other limits"},
		"a budget by then": {func(d *rules.Decision) { d.Charges[0].Firm = true }, "other limits"},
	} {
		before := said
		before.Charges = slices.Clone(said.Charges)
		tt.change(&before)
		_, err := p.Resume(t.Context(), req, before)
		var changed *rules.ChangedError
		if errors.As(err, &changed) != (tt.want != "") || (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
