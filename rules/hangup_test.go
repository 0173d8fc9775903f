package rules_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// leavingLedger has a caller who hangs up when something is held.
type leavingLedger struct {
	scriptedLedger
	hangUp context.CancelFunc
}

func (l leavingLedger) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	defer l.hangUp()
	return l.scriptedLedger.Hold(ctx, charges)
}

// TestHangUpAfterTheHold: what was held is kept with the decision, or given back,
// whether or not the caller is still there.
func TestHangUpAfterTheHold(t *testing.T) {
	for _, keep := range []error{nil, errBoom} {
		var log []string
		ctx, hangUp := context.WithCancel(t.Context())
		engine := &rules.Engine{
			Rules:  []rules.Rule{scriptedRule{verdict: rules.Approve, charges: charge(), keep: keep, log: &log}},
			Ledger: leavingLedger{scriptedLedger{log: &log}, hangUp},
		}
		decision, err := engine.Decide(ctx, &rules.Request{Kind: rules.KindText})
		if !errors.Is(err, keep) || (keep == nil) != (err == nil) {
			t.Errorf("%+v, %v; want %v", decision, err, keep)
		}
		want := "hold, keep"
		if keep != nil {
			want = "hold, keep, release"
		}
		if got := strings.Join(log, ", "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
