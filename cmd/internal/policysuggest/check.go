package policysuggest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// CheckError is a draft that does not approve all of what it was drawn from.
type CheckError struct {
	Refused int
	First   []string // why, of the first ones
}

// maxTold is how many of them are told.
const maxTold = 10

// Error tells the first of them.
func (e *CheckError) Error() string {
	text := fmt.Sprintf("the draft does not approve %s that it was drawn from: %s", counted(e.Refused), strings.Join(e.First, "; "))
	if e.Refused > len(e.First) {
		text += fmt.Sprintf("; and %d more", e.Refused-len(e.First))
	}
	return text
}

func (e *CheckError) add(entry uint64, why string) {
	if e.Refused++; len(e.First) < maxTold {
		e.First = append(e.First, fmt.Sprintf("entry %d: %s", entry, comment(why)))
	}
}

// check judges all requests that the draft is to cover by the draft, each at its
// time, with limits counted as a signer counts them.
func (c *collector) check(ctx context.Context, read Source, draft *Draft) error {
	var now time.Time
	clock := func() time.Time { return now }
	loaded, err := policy.Load("draft", draft.Source, policy.Options{Now: clock})
	if err != nil {
		return fmt.Errorf("loading the draft: %w", err)
	}
	ledger := memory.NewLedger(clock)
	refused := &CheckError{}
	covered := 0
	for one, err := range read() {
		if err != nil {
			return err
		}
		if one.Seq > c.to {
			break // it was added to the log meanwhile
		}
		if _, open := slices.BinarySearch(c.open, one.Seq); open || leftOut(&one) != "" {
			continue
		}
		now = one.Time
		f := facts.Of(one.Request, now)
		s, why := shapeOf(f, c.options.Open)
		if g := c.groups[s]; why != "" || g == nil || g.why != "" || g.missed[one.Seq] {
			continue
		}
		switch why, err := judge(ctx, loaded, ledger, one.Request); {
		case err != nil:
			return fmt.Errorf("judging entry %d by the draft: %w", one.Seq, err)
		case why != "":
			refused.add(one.Seq, why)
		}
		covered++
	}
	if covered != draft.Covered {
		return fmt.Errorf("%w: %d requests are covered by the draft, and %d are there now", errChanged, draft.Covered, covered)
	}
	if refused.Refused > 0 {
		return refused
	}
	return nil
}

var errChanged = errors.New("the log was changed while it was read: try again")

// judge judges a request by the draft; it returns why it is not approved.
func judge(ctx context.Context, by *policy.Policy, ledger *memory.Ledger, req *rules.Request) (why string, err error) {
	decision, _, err := by.Evaluate(ctx, req)
	if err != nil {
		return "", err
	}
	if decision.Verdict != rules.Approve {
		return decision.Reason + ": " + decision.Explanation, nil
	}
	if len(decision.Charges) == 0 {
		return "", nil
	}
	id, err := ledger.Hold(ctx, decision.Charges)
	var over *rules.OverLimitError
	var full *rules.SlotError
	switch {
	case errors.As(err, &over):
		return over.Error(), nil
	case errors.As(err, &full):
		return full.Error(), nil
	case err != nil:
		return "", err
	}
	return "", ledger.Commit(ctx, id)
}
