package approval

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// spare is what of a caller's time is left to tell it that people think.
const spare = time.Second

// question is one request that waits for a ticket.
type question struct {
	queue *Queue
	entry *entry
	signs bool // what it asks for is a signature
}

// Await waits for people, for as long as the quorum and the caller's time allow.
func (w *question) Await(ctx context.Context) (rules.Decision, rules.Hold, error) {
	timer := time.NewTimer(w.patience(ctx))
	defer timer.Stop()
	expired := timer.C
	for {
		r, used, changed := w.entry.look()
		switch r.State {
		case stateBegun: // nobody is told of a ticket that is not durable
			if w.entry.doubtful() {
				return w.decision(rules.Undecided, ""), nil, errDoubt
			}
			expired = nil
		case stateNever:
			return w.decision(rules.Undecided, ""), nil, errors.New("people could not be asked")
		case StateApproved:
			if hold := w.use(); hold != nil {
				return w.decision(rules.Approve, ""), hold, nil
			}
		case StateSigned:
			return w.signed()
		case StateUsed:
			if !used {
				return w.decision(rules.Reject, fmt.Sprintf("ticket %s was used, and a signature may have been made", w.entry.content.ID)), nil, nil
			}
		case StateRejected, StateExpired, StateLapsed, StateVoid:
			return w.decision(rules.Reject, w.ended(&r)), nil, nil
		}
		select {
		case <-changed:
			expired = timer.C
		case <-expired:
			return w.decision(rules.Refer, w.pending(&r)), nil, nil
		case <-w.hurried(&r):
			return w.decision(rules.Refer, w.pending(&r)), nil, nil
		case <-ctx.Done():
			return w.decision(rules.Undecided, ""), nil, fmt.Errorf("waiting for people: %w", context.Cause(ctx))
		}
	}
}

// signed is what becomes of a request that was asked before an equal one was signed:
// it may have the same signature, and no other.
func (w *question) signed() (rules.Decision, rules.Hold, error) {
	if w.queue.cfg.Shares && w.signs {
		decision := w.decision(rules.Approve, "")
		decision.Repeats = true
		return decision, shared{}, nil
	}
	return w.decision(rules.Reject, "ticket "+w.entry.content.ID+" was used by an equal request"), nil, nil
}

// hurried is closed when nobody waits for people any more.
func (w *question) hurried(r *record) <-chan struct{} {
	if r.State == stateBegun {
		return nil
	}
	return w.queue.hurried
}

// patience is how long the caller waits for people.
func (w *question) patience(ctx context.Context) time.Duration {
	if rules.Hurried(ctx) {
		return 0
	}
	var most time.Duration
	for i := range w.entry.content.Quorums {
		most = max(most, w.entry.content.Quorums[i].Wait)
	}
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)-spare)
	}
	return max(most, 0)
}

func (w *question) decision(verdict rules.Verdict, reason string) rules.Decision {
	c := &w.entry.content
	if verdict == rules.Approve {
		reason = "approved by " + strings.Join(w.approvers(), ", ")
	}
	return rules.Decision{Verdict: verdict, Rule: c.Rule, Reason: reason, Ticket: c.ID}
}

func (w *question) approvers() []string {
	r := w.entry.now()
	var names []string
	for _, vote := range r.Votes {
		if vote.Approve {
			names = append(names, vote.Person)
		}
	}
	return names
}

// pending says what a ticket waits for.
func (w *question) pending(r *record) string {
	c := &w.entry.content
	if r.State != StateOpen {
		return fmt.Sprintf("ticket %s is in use by an equal request", c.ID)
	}
	t := w.entry.as(r)
	var wants []string
	for i, missing := range t.Missing() {
		if missing > 0 {
			wants = append(wants, fmt.Sprintf("%d of %s", missing, c.Quorums[i].Group))
		}
	}
	return fmt.Sprintf("ticket %s waits for %s until %s", c.ID, strings.Join(wants, " and "), c.Deadline.Format(time.RFC3339))
}

// ended says how a ticket has ended.
func (w *question) ended(r *record) string {
	id := w.entry.content.ID
	if r.State == StateVoid {
		return fmt.Sprintf("ticket %s is void: the policy was changed since; make the request again", id)
	}
	for _, vote := range r.Votes {
		if !vote.Approve {
			return fmt.Sprintf("ticket %s was rejected by %s", id, vote.Person)
		}
	}
	return fmt.Sprintf("ticket %s has %s", id, r.State)
}
