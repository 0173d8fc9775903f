package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// Reckon judges an explained request by what is used of each total already, as a signer
// does: what has no room is rejected, or referred to who may approve it, and so is rejected
// what counts for too many totals, or for too much for people to approve. [Policy.Explain]
// knows of no totals, and judges by what the request counts alone.
func (e Explanation) Reckon(used func(counter string) uint256.Int) Explanation {
	if len(e.charges) == 0 {
		return e
	}
	e.Limits = slices.Clone(e.Limits)
	e.Verdict, e.Reason = e.judged.verdict, e.judged.reason
	tooMany := rules.TooMany(e.charges)
	var firm, soft string
	for i := range e.charges {
		c := &e.charges[i]
		before := used(c.Counter)
		sum, overflow := new(uint256.Int).AddOverflow(&before, &c.Amount)
		e.Limits[i].Over = overflow || sum.Gt(&c.Cap)
		if !e.Limits[i].Over {
			continue
		}
		reason := fmt.Sprintf("limit %s is exceeded", c.Limit)
		if !c.Amount.Gt(&c.Cap) {
			reason += ", unless the request replaces or repeats what counts already"
		}
		if passes := c.MayPass(); !passes && firm == "" {
			firm = reason
		} else if passes && soft == "" {
			soft = reason
		}
	}
	switch {
	case tooMany != "":
		e.Verdict, e.Reason = rules.Reject.String(), tooMany
	case firm != "" || soft != "" && e.board == "":
		e.Verdict, e.Reason = rules.Reject.String(), firm
		if firm == "" {
			e.Reason = soft
		}
	case soft != "":
		because := []string{soft + ", and " + e.board + " may approve that"}
		if e.Verdict == rules.Refer.String() {
			because = append([]string{e.Reason}, because...)
		}
		e.Verdict, e.Reason = rules.Refer.String(), strings.Join(because, "; ")
	}
	return e
}

// nothingUsed is what is used of totals that are empty.
func nothingUsed(string) uint256.Int { return uint256.Int{} }
