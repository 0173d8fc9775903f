package rulestest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// What people answer, when a rule refers a request to them.
const (
	PeopleApprove = "approve"
	PeopleReject  = "reject"
)

// people are those of a case: a signer's tickets, in memory. What they are asked about holds
// its limits as it does there, until they answer or the ticket expires.
type people struct {
	queue *approval.Queue
	stage *Stage
}

// unnamed are the people who are asked where no rule names any, as approvals.default in the
// configuration of a signer.
func unnamed() *rules.Quorum {
	return &rules.Quorum{Group: "default", Threshold: 1, Of: []string{"somebody"}, Requester: true, Expires: time.Hour}
}

func newPeople(ctx context.Context, stage *Stage, ledger rules.Ledger) (*people, error) {
	queue, err := approval.New(ctx, approval.Config{
		Records: memory.NewRecords(), Ledger: ledger, Journal: noJournal{}, Logger: slog.New(slog.DiscardHandler), Default: unnamed(),
		SamePerson: func(principal, _, person string) bool { return principal == person },
		MaxOpen:    maxSteps, MaxPerCaller: maxSteps, Clock: stage.Clock,
	})
	if err != nil {
		return nil, fmt.Errorf("making tickets: %w", err)
	}
	return &people{queue, stage}, nil
}

// noJournal keeps no record: nothing happens that could be recorded.
type noJournal struct{}

// Record does nothing.
func (noJournal) Record(context.Context, approval.Event) error { return nil }

// wait lets time pass up to a step, and tickets expire, each at its time.
func (p *people) wait(ctx context.Context, until time.Time) {
	if until.IsZero() {
		until = time.Now()
	}
	var due []time.Time
	for _, ticket := range p.queue.Tickets() {
		if ticket.State == approval.StateOpen && !ticket.Content.Deadline.After(until) {
			due = append(due, ticket.Content.Deadline)
		}
	}
	slices.SortFunc(due, time.Time.Compare)
	for _, at := range due {
		p.stage.Enter(at)
		p.queue.Sweep(ctx)
	}
}

// asking is what people are asked in one step, and what they answer.
type asking struct {
	people   *people
	answer   string           // "": nothing
	referred *approval.Ticket // nil: they were not asked, or had answered before
}

// Asked returns what people were asked before about an equal request.
func (a *asking) Asked(ctx context.Context, req *rules.Request, decision rules.Decision) (rules.Question, error) {
	question, err := a.people.queue.Asked(ctx, req, decision)
	if question == nil || err != nil {
		return nil, err
	}
	return asked{question, a}, nil
}

// Ask puts a request to people.
func (a *asking) Ask(ctx context.Context, req *rules.Request, referral rules.Decision, limits rules.HoldID) (rules.Question, error) {
	question, err := a.people.queue.Ask(ctx, req, referral, limits)
	if err != nil {
		return nil, err
	}
	return asked{question, a}, nil
}

// asked is a question that people answer at once, or not in this step.
type asked struct {
	question rules.Question
	asking   *asking
}

// Await returns what people answer.
func (w asked) Await(ctx context.Context) (rules.Decision, rules.Hold, error) {
	ctx = rules.Hurry(ctx)
	decision, hold, err := w.question.Await(ctx)
	if err != nil || decision.Verdict != rules.Refer {
		return decision, hold, err
	}
	ticket, err := w.asking.people.queue.Ticket(decision.Ticket)
	if err != nil {
		return decision, nil, err
	}
	w.asking.referred = ticket
	if w.asking.answer == "" {
		return decision, nil, nil
	}
	if err := w.asking.people.vote(ctx, ticket, w.asking.answer == PeopleApprove); err != nil {
		return decision, nil, err
	}
	return w.question.Await(ctx)
}

// vote has as many people vote as are needed.
func (p *people) vote(ctx context.Context, ticket *approval.Ticket, approve bool) error {
	var refused error
	voted := make(map[string]bool)
	for i := range ticket.Content.Quorums {
		for _, person := range ticket.Content.Quorums[i].Of {
			if voted[person] {
				continue
			}
			voted[person] = true
			after, err := p.queue.Vote(ctx, approval.Ballot{Ticket: ticket.Content.ID, Hash: ticket.Hash, Person: person, Approve: approve, Way: "test"})
			switch {
			case err != nil:
				refused = fmt.Errorf("the vote of %s does not count: %w", person, err)
			case after.State != approval.StateOpen:
				return nil
			}
		}
	}
	if refused != nil {
		return fmt.Errorf("too few people may answer: %w", refused)
	}
	return fmt.Errorf("ticket %s is open though all have voted", ticket.Content.ID)
}

// note says what came of the question, "" if there is nothing to say.
func (a *asking) note() string {
	switch {
	case a.answer == PeopleApprove:
		return "people approve it, and it counts as signed"
	case a.answer == PeopleReject:
		return "people reject it, and what it held is given back"
	case len(a.referred.Content.Charges) > 0:
		return "it waits for people, and counts against its limits until they answer (people: approve, people: reject) or its ticket expires, at " +
			a.referred.Content.Deadline.Format(time.RFC3339)
	default:
		return ""
	}
}
