package sheet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// why says why people are asked.
func (w *writer) why() {
	c := &w.ticket.Content
	w.section("why", "Why people are asked")
	w.others("rule", c.Rule)
	w.others("reason", c.Reason)
	w.others("explanation", c.Explain)
	if c.Policy != (common.Hash{}) {
		w.line("policy", "SHA-256 "+c.Policy.Hex())
	}
	together := together(c.Charges)
	for _, charge := range c.Charges {
		w.charge(charge, together)
	}
}

// together reports whether a ticket may pass so many totals that limits were lifted as a
// whole, with the totals that have room.
func together(charges []approval.Charge) bool {
	passed := 0
	for i := range charges {
		if charges[i].Max != "" {
			passed++
		}
	}
	return passed > rules.MaxLifts
}

// charge shows what counts against a limit.
func (w *writer) charge(charge approval.Charge, together bool) {
	fact := Fact{Name: "limit", Text: fmt.Sprintf("%s of %s in %s", Inert(charge.Amount), Inert(charge.Cap), span(charge.Window)), Note: Inert(charge.Limit)}
	if charge.Cap == "" {
		fact.Text = fmt.Sprintf("%s in %s, which is MORE THAN THE LIMIT", Inert(charge.Amount), span(charge.Window))
		if charge.Max != "" {
			fact.Text = fmt.Sprintf("%s of %s in %s, which with what counts already is MORE THAN THE LIMIT", Inert(charge.Amount), Inert(charge.Max), span(charge.Window))
			if together {
				fact.Text += ", or has room: limits of this kind are lifted together"
			}
		}
		fact.Warns = true
		if text := "It passes the limit " + Inert(charge.Limit) + ": an approval lets it"; !slices.Contains(w.sheet.Warnings, text) {
			w.warn(text)
		}
	}
	w.add(fact)
}

// who says who asks.
func (w *writer) who() {
	c, s := &w.ticket.Content, w.subject
	w.section("who", "Who asks")
	w.others("principal", s.Principal)
	w.others("listener", c.Transport)
	if c.Remote != "NA" {
		w.others("address", c.Remote)
	}
	w.others("says it is", c.UserAgent)
	w.others("for the page", c.Origin)
	w.others("method", s.Method)
	w.others("request", c.Request)
	w.line("at", when(c.Opened))
}

// people say who must approve, and who has voted.
func (w *writer) people() {
	t := w.ticket
	w.section("people", "Who decides")
	w.line("state", w.state())
	missing := t.Missing()
	for i := range t.Content.Quorums {
		w.quorum(&t.Content.Quorums[i], missing[i])
	}
	for _, vote := range t.Votes {
		w.vote(vote)
	}
}

// state says what has become of the ticket.
func (w *writer) state() string {
	t := w.ticket
	if t.Void {
		return "void here: the policy was changed since it was asked; a rejection ends it"
	}
	switch t.State {
	case approval.StateVoid:
		return "void since " + when(t.Decided) + ": the policy was changed, and the request must be made again"
	case approval.StateOpen:
		return "open until " + w.until(t.Content.Deadline)
	case approval.StateApproved:
		return "approved, and to be used until " + w.until(t.UseBy)
	case approval.StateUsed:
		return "approved and used; whether a signature was made is not known"
	case approval.StateSigned:
		return "approved and signed"
	case approval.StateLapsed:
		return "approved, but nobody came for the signature in time, or its limits had no more room"
	default:
		return Inert(string(t.State)) + " since " + when(t.Decided)
	}
}

// until says when something ends, and how long that is.
func (w *writer) until(end time.Time) string {
	if w.options.Now.IsZero() {
		return when(end)
	}
	left := end.Sub(w.options.Now).Round(time.Second)
	if left <= 0 {
		return when(end) + ", which is over"
	}
	return fmt.Sprintf("%s, %s from now", when(end), span(left))
}

func (w *writer) quorum(q *rules.Quorum, missing int) {
	text := fmt.Sprintf("%d of %s", q.Threshold, strings.Join(inertAll(q.Of), ", "))
	note := Inert(q.Group)
	switch {
	case w.ticket.State != approval.StateOpen:
	case missing == 0:
		note += "; enough have approved"
	default:
		note += fmt.Sprintf("; %d missing", missing)
	}
	if q.Requester {
		note += "; who asks may approve, too"
	}
	w.add(Fact{Name: "must approve", Text: text, Note: note})
	if w.ticket.State != approval.StateOpen || missing == 0 {
		return
	}
	voted := func(name string) bool {
		return slices.ContainsFunc(w.ticket.Votes, func(v approval.Vote) bool { return v.Person == name })
	}
	var open []string
	for _, name := range q.Of {
		if !voted(name) {
			open = append(open, Inert(name))
		}
	}
	w.add(Fact{Depth: 1, Name: "not yet", Text: strings.Join(open, ", ")})
}

func (w *writer) vote(vote approval.Vote) {
	verb := "rejected"
	if vote.Approve {
		verb = "approved"
	}
	fact := Fact{Name: Inert(vote.Person), Text: fmt.Sprintf("%s on %s by %s", verb, when(vote.Time), Inert(vote.Way))}
	if vote.Requester {
		fact.Note = "who asks: it counts where who asks may approve"
	}
	w.add(fact)
	if vote.Comment != "" {
		w.add(Fact{Depth: 1, Name: "comment", Text: InertLines(vote.Comment)})
	}
}

// proof shows the hashes.
func (w *writer) proof() {
	w.section("proof", "What is voted on")
	w.line("ticket", Inert(w.ticket.Content.ID))
	if w.subject.Digest != (common.Hash{}) {
		w.line("digest", w.subject.Digest.Hex())
	}
	w.line("hash", w.ticket.Hash.Hex())
}

func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span writes a duration without needless zeros.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
