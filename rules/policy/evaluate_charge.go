package policy

import (
	"fmt"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/limit"
)

// count adds what a request counts against a limit. Nobody may approve the
// passing of a budget, which is firm.
func (j *judgement) count(s *subject, l *limit.Limit, firm bool) {
	if j.problem != nil {
		return
	}
	charges, err := l.Charges(s.Facts)
	if err != nil {
		j.verdict = rules.Reject
		j.reason = fmt.Sprintf("limit %s can't be measured", l.ID)
		j.problem, j.unmeasured = err, l.ID
		return
	}
	for i := range charges {
		charges[i].Limit = l.ID
		charges[i].Firm = firm
		j.shown = append(j.shown, l.Shown)
	}
	j.charges = append(j.charges, charges...)
}
