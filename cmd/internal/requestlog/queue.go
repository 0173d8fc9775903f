package requestlog

import (
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
)

// How much waits for outcomes. A request is settled within a minute of its
// decision: what waits longer than for so many others waits in vain.
const (
	maxWaiting      = 1 << 16
	maxWaitingBytes = 64 << 20 // of the log's lines
)

// judged is a decision, and what became of it.
type judged struct {
	decision audit.Entry
	length   int  // of its line
	open     bool // its outcome is still to come

	outcome  rules.Outcome
	settled  uint64
	released bool
	repeat   bool
}

// queue has the decisions in their order, from the oldest that is open.
type queue struct {
	all   []*judged
	open  map[string]*judged // by the request's id
	bytes int
}

// push adds a decision.
func (q *queue) push(decision *audit.Entry, length int) {
	j := &judged{decision: *decision, length: length, open: decision.Verdict == rules.Approve.String()}
	q.all = append(q.all, j)
	q.bytes += length
	if j.open {
		if q.open == nil {
			q.open = make(map[string]*judged)
		}
		q.open[decision.Request] = j
	}
}

// settle notes an outcome.
func (q *queue) settle(outcome *audit.Entry) {
	j := q.open[outcome.Request]
	if j == nil {
		return // its decision was before the first entry that is read
	}
	delete(q.open, outcome.Request)
	j.open, j.outcome, j.settled, j.repeat = false, outcomeOf(outcome.Outcome), outcome.Seq, outcome.Repeat
	j.released = outcome.Released != nil && *outcome.Released
}

// abandon waits for none of those that are open.
func (q *queue) abandon() {
	for id, j := range q.open {
		j.open = false
		delete(q.open, id)
	}
}

// pop takes the oldest off, unless its outcome is still to come and there is room
// to wait for it.
func (q *queue) pop(all bool) (*judged, bool) {
	if len(q.all) == 0 {
		return nil, false
	}
	oldest := q.all[0]
	if oldest.open && !all && len(q.all) <= maxWaiting && q.bytes <= maxWaitingBytes {
		return nil, false
	}
	if q.open[oldest.decision.Request] == oldest {
		delete(q.open, oldest.decision.Request)
	}
	q.all[0] = nil
	q.all = q.all[1:]
	q.bytes -= oldest.length
	return oldest, true
}
