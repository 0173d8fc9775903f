package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// perPage is how many tickets a page lists.
const perPage = 100

// openBody is what the page of what waits shows.
type openBody struct {
	Yours, Others []row
	Approved      []row // and not used yet
	More          int   // that are not shown
	Marks         string
}

// open shows what waits for people, the most urgent first.
func (s *Server) open(w http.ResponseWriter, r *http.Request, of *session) {
	all := s.cfg.Tickets.Tickets()
	waiting := slices.DeleteFunc(slices.Clone(all), func(t *approval.Ticket) bool { return t.State != approval.StateOpen })
	slices.SortStableFunc(waiting, func(a, b *approval.Ticket) int {
		return cmp.Or(rank(a, of.person)-rank(b, of.person), a.Content.Deadline.Compare(b.Content.Deadline))
	})
	body := openBody{Marks: marksOf(all)}
	if len(waiting) > perPage {
		body.More, waiting = len(waiting)-perPage, waiting[:perPage]
	}
	for _, t := range waiting {
		if row := s.rowOf(t, of.person); row.Group == groupYours {
			body.Yours = append(body.Yours, row)
		} else {
			body.Others = append(body.Others, row)
		}
	}
	for _, t := range all {
		if t.State == approval.StateApproved && len(body.Approved) < perPage {
			body.Approved = append(body.Approved, s.rowOf(t, of.person))
		}
	}
	p := s.pageOf(of, "Tickets", "tickets", body)
	p.Live = true
	s.render(w, r, http.StatusOK, "open", p)
}

// rank sorts what waits for the person before what waits for others.
func rank(t *approval.Ticket, person string) int {
	if groupOf(t, person) == groupYours {
		return 0
	}
	return 1
}

// marksOf tells the tickets that wait or are to be used, and their stamps: a page
// that has others is old.
func marksOf(all []*approval.Ticket) string {
	var marks []string
	for _, t := range all {
		if !t.State.Ended() {
			marks = append(marks, t.Content.ID+":"+stampOf(t.State, len(t.Votes)))
		}
	}
	slices.Sort(marks)
	return strings.Join(marks, " ")
}

// historyBody is what the page of what was decided shows.
type historyBody struct {
	Rows          []row
	State, Search string
	States        []string
	Page          int
	Before, After int // pages; 0 is none
	Count         int
}

// history shows tickets that have ended, the newest first.
func (s *Server) history(w http.ResponseWriter, r *http.Request, of *session) {
	query := r.URL.Query()
	body := historyBody{State: query.Get("state"), Search: strings.ToValidUTF8(strings.TrimSpace(query.Get("search")), ""), Page: 1, States: []string{
		string(approval.StateSigned), string(approval.StateRejected), string(approval.StateExpired), string(approval.StateLapsed), string(approval.StateVoid), string(approval.StateUsed),
	}}
	if !slices.Contains(body.States, body.State) {
		body.State = ""
	}
	if len(body.Search) > 200 {
		body.Search = ""
	}
	if n, err := strconv.Atoi(query.Get("page")); err == nil && n > 1 {
		body.Page = min(n, 1000)
	}
	found := slices.DeleteFunc(slices.Clone(s.cfg.Tickets.Tickets()), func(t *approval.Ticket) bool {
		return !t.State.Ended() || body.State != "" && string(t.State) != body.State || !mentions(t, body.Search)
	})
	slices.SortStableFunc(found, func(a, b *approval.Ticket) int { return b.Decided.Compare(a.Decided) })
	body.Count = len(found)
	from := min((body.Page-1)*perPage, len(found))
	if body.Page > 1 {
		body.Before = body.Page - 1
	}
	if from+perPage < len(found) {
		body.After = body.Page + 1
	}
	for _, t := range found[from:min(from+perPage, len(found))] {
		body.Rows = append(body.Rows, s.rowOf(t, of.person))
	}
	s.render(w, r, http.StatusOK, "history", s.pageOf(of, "History", "history", body))
}

// mentions reports whether a ticket has a text somewhere that people see.
func mentions(t *approval.Ticket, text string) bool {
	if text == "" {
		return true
	}
	text = strings.ToLower(text)
	if strings.Contains(strings.ToLower(string(t.Text)), text) {
		return true
	}
	return slices.ContainsFunc(t.Votes, func(v approval.Vote) bool {
		return strings.Contains(strings.ToLower(v.Person+"\n"+v.Comment), text)
	})
}

// ticketBody is what the page of a ticket shows.
type ticketBody struct {
	Row     row
	Sheet   *sheet.Sheet
	Hash    string
	Whole   bool // long texts are not cut
	Cut     bool // some are
	MayVote bool
	WhyNot  string // the person may not; "" if that is plain
	Counted bool   // the person has just voted
	Comment string // that the person was about to send
	Passkey bool   // a vote is by passkey
}

// ticket shows everything of a ticket.
func (s *Server) ticket(w http.ResponseWriter, r *http.Request, of *session) {
	s.ticketPage(w, r, of, http.StatusOK, "")
}

func (s *Server) ticketPage(w http.ResponseWriter, r *http.Request, of *session, status int, alert string) {
	t, err := s.cfg.Tickets.Ticket(r.PathValue("id"))
	if err != nil {
		s.fail(w, r, of, http.StatusNotFound, "There is no such ticket: it may be old, and removed.")
		return
	}
	names, chains := s.cfg.Names(t)
	whole := r.URL.Query().Get("whole") == "1"
	full, err := sheet.Of(t, sheet.Options{Names: names, Now: s.cfg.Clock(), Whole: whole, ChainName: func(id uint64) string { return chains[strconv.FormatUint(id, 10)] }})
	if err != nil {
		s.log.ErrorContext(r.Context(), "Ticket can't be shown", "ticket", t.Content.ID, "error", err)
		s.fail(w, r, of, http.StatusInternalServerError, "The ticket can't be shown, so that nobody should approve it: the signer's log says why.")
		return
	}
	body := ticketBody{Row: s.rowOf(t, of.person), Sheet: full, Hash: t.Hash.Hex(), Whole: whole, Passkey: of.way == wayPasskey, Comment: r.PostForm.Get("comment")}
	for i := range full.Sections {
		body.Cut = body.Cut || slices.ContainsFunc(full.Sections[i].Facts, func(f sheet.Fact) bool { return f.Cut > 0 })
	}
	body.Counted = r.URL.Query().Get("voted") == "1" && voted(t, of.person)
	switch {
	case t.State != approval.StateOpen:
	case voted(t, of.person):
		body.WhyNot = "You have voted. Others are still asked."
	case !asked(t, of.person):
		body.WhyNot = "You are not among those who are asked."
	case !s.cfg.Clock().Before(t.Content.Deadline):
		body.WhyNot = "The time is over."
	default:
		body.MayVote = true
	}
	p := s.pageOf(of, body.Row.Title, "tickets", body)
	p.Alert, p.Live = alert, true
	s.render(w, r, status, "ticket", p)
}
