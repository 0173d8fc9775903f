package approval

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kvclef/kvclef/rules"
)

// quorums are the people who must approve what a decision refers; none for one that
// refers nothing, or to nobody.
func (q *Queue) quorums(decision rules.Decision) []*rules.Quorum {
	switch {
	case decision.Verdict != rules.Refer, len(decision.Quorums) > 0 && !decision.Unnamed:
		return decision.Quorums
	case q.cfg.Default == nil:
		return nil
	default:
		return append([]*rules.Quorum{q.cfg.Default}, decision.Quorums...)
	}
}

// asks reports whether a ticket asks the people who must approve, and besides them at
// most those who may approve what passes a limit: the configuration may name others
// by now.
func (e *entry) asks(quorums []*rules.Quorum, overLimit *rules.Quorum) bool {
	must := make([]rules.Quorum, 0, len(quorums)+1)
	for _, quorum := range quorums {
		must = append(must, *quorum)
	}
	asked := e.content.Quorums
	if !within(must, asked) {
		return false
	}
	if overLimit != nil {
		must = append(must, *overLimit)
	}
	return within(asked, must)
}

// alikePeople reports whether two requests that are equal ask the same people, or one
// of them besides those who may approve what passes a limit.
func alikePeople(a, b []rules.Quorum) bool { return within(a, b) || within(b, a) }

// within reports whether all of some quorums are among others.
func within(some, others []rules.Quorum) bool {
	for i := range some {
		if !slices.ContainsFunc(others, func(other rules.Quorum) bool { return some[i].Same(&other) }) {
			return false
		}
	}
	return true
}

// checkQuorums refuses quorums that nobody, or everybody, would be.
func checkQuorums(quorums []rules.Quorum) error {
	if len(quorums) == 0 {
		return errors.New("nobody must approve")
	}
	for i := range quorums {
		quorum := &quorums[i]
		of := slices.Compact(slices.Sorted(slices.Values(quorum.Of)))
		if quorum.Threshold < 1 || quorum.Threshold > len(of) {
			return fmt.Errorf("%d of the %d people of %s can't approve", quorum.Threshold, len(of), quorum.Group)
		}
	}
	return nil
}

// people are all who are asked.
func (c *Content) people() []string {
	var all []string
	for i := range c.Quorums {
		all = append(all, c.Quorums[i].Of...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
