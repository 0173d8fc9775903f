package clefui_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefui"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// deciding is a rule with one decision.
type deciding struct{ rules.Decision }

func (d deciding) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	return d.Decision, nil, nil
}

// TestNamedPeople: an interface is not asked what people must approve who have names, and
// what was held is given back.
func TestNamedPeople(t *testing.T) {
	t.Parallel()
	treasury := &rules.Quorum{Group: "treasury", Threshold: 2, Of: []string{"alice", "bob"}}
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"carol"}}
	more := charges()
	more[0].Amount.SetUint64(2)
	for name, tt := range map[string]struct {
		decision rules.Decision
		want     rules.Verdict
		reason   string
		asked    int
	}{
		"nobody by name":         {rules.Decision{Verdict: rules.Refer, Charges: charges()}, rules.Approve, "", 1},
		"a quorum":               {rules.Decision{Verdict: rules.Refer, Quorums: []*rules.Quorum{treasury}, Charges: charges()}, rules.Reject, "2 of treasury must approve it", 0},
		"over a limit":           {rules.Decision{Verdict: rules.Approve, OverLimit: board, Charges: more}, rules.Reject, "1 of board must approve it", 0},
		"a quorum, over a limit": {rules.Decision{Verdict: rules.Refer, Quorums: []*rules.Quorum{treasury}, OverLimit: board, Charges: more}, rules.Reject, "2 of treasury and 1 of board must approve it", 0},
		"within a limit":         {rules.Decision{Verdict: rules.Refer, OverLimit: board, Charges: charges()}, rules.Approve, "", 1}, // as a rule file leaves it open
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ledger := &screen{answer: map[string]any{"approved": true}}, memory.NewLedger(time.Now)
			ui, _ := connect(t, s, clefui.Options{Ledger: ledger})
			engine := &rules.Engine{Rules: []rules.Rule{deciding{tt.decision}}, Ledger: ledger, Approver: ui}
			got, err := engine.Decide(t.Context(), &rules.Request{ID: "r", Kind: rules.KindText})
			if err != nil || got.Verdict != tt.want || !strings.HasPrefix(got.Reason, tt.reason) || len(s.asked) != tt.asked {
				t.Errorf("%v %q, %v; asked %v", got.Verdict, got.Reason, err, s.asked)
			}
			if usage, err := ledger.Usage(t.Context(), "c"); err != nil || usage.Used.IsZero() != (tt.want == rules.Reject) {
				t.Errorf("%s are held; %v", usage.Used.Dec(), err)
			}
		})
	}
	q, err := new(clefui.UI).Ask(t.Context(), new(rules.Request), rules.Decision{Verdict: rules.Refer, OverLimit: board}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := q.Await(t.Context()); err != nil || got.Verdict != rules.Reject {
		t.Errorf("%+v, %v", got, err)
	}
}
