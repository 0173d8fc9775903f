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

// CheckError is a draft that does not approve all of what it was drawn from, even
// without that of which it was found before.
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
		return c.unloadable(err)
	}
	ledger := memory.NewLedger(clock)
	refused := &CheckError{}
	covered := 0
	found := c.newFindings()
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
		s, why := c.shapeOf(f)
		g := c.groups[s]
		if why != "" || g == nil || g.why != "" || g.missed[one.Seq] {
			continue
		}
		rule, why, err := judge(ctx, loaded, ledger, one.Request)
		switch {
		case err != nil:
			return fmt.Errorf("judging entry %d by the draft: %w", one.Seq, err)
		case why != "":
			refused.add(one.Seq, why)
		}
		found.add(g, rule, one.Seq, why)
		covered++
	}
	if covered != draft.Covered {
		return fmt.Errorf("%w: %d requests are covered by the draft, and %d are there now", errChanged, draft.Covered, covered)
	}
	if refused.Refused > 0 {
		found.exclude(c)
		return refused
	}
	return nil
}

// unloadable gives up the groups whose rules alone are no policy, so that one does
// not spoil the others.
func (c *collector) unloadable(err error) error {
	refused := &CheckError{}
	for _, g := range c.sorted() {
		if g.why != "" {
			continue
		}
		alone := *c
		alone.groups = map[shape]*group{g.shape: g}
		draft := newDrafter(&alone).draft()
		if _, err := policy.Load("draft", draft.Source, policy.Options{}); err != nil {
			refused.add(g.times.entry, err.Error())
			g.exclude(c, refusal("to be loaded", err.Error()))
		}
	}
	if refused.Refused == 0 {
		return fmt.Errorf("loading the draft: %w", err)
	}
	return refused
}

var errChanged = errors.New("the log was changed while it was read: try again")

// judge judges a request by the draft; it returns the rule that decides, and why the
// request is not approved.
func judge(ctx context.Context, by *policy.Policy, ledger *memory.Ledger, req *rules.Request) (rule, why string, err error) {
	decision, _, err := by.Evaluate(ctx, req)
	if err != nil {
		return "", "", err
	}
	if decision.Verdict != rules.Approve {
		if strings.HasPrefix(decision.Explanation, decision.Reason) {
			return decision.Rule, decision.Explanation, nil
		}
		return decision.Rule, decision.Reason + ": " + decision.Explanation, nil
	}
	if len(decision.Charges) == 0 {
		return decision.Rule, "", nil
	}
	id, err := ledger.Hold(ctx, decision.Charges)
	var over *rules.OverLimitError
	var full *rules.SlotError
	switch {
	case errors.As(err, &over):
		return decision.Rule, over.Error(), nil
	case errors.As(err, &full):
		return decision.Rule, full.Error(), nil
	case err != nil:
		return "", "", err
	}
	return decision.Rule, "", ledger.Commit(ctx, id)
}
