package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

// TestTwoOfThree approve, each with a passkey, and the record has what they signed.
func TestTwoOfThree(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(payment(1, "payments.example"))
	alice, bob := h.signedInBrowser("alice"), h.signedInBrowser("bob")
	got := alice.vote(ticket, "alice", "approve", "checked\r\nby phone ")
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/tickets/"+ticket.Content.ID+"?voted=1" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	text := alice.get(got.header.Get("Location")).text
	if textOf(t, text, "voted") == "" || textOf(t, text, "quorum") != "1 of 2 of finance" || strings.Contains(text, `id="vote"`) {
		t.Error("the page does not tell that the vote is counted, or lets vote again")
	}
	if got := bob.vote(ticket, "bob", "approve", ""); got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.text)
	}
	now := h.find(ticket.Content.ID)
	if now.State != approval.StateApproved || now.Votes[0].Comment != "checked\nby phone" || now.Votes[0].Way != wayPasskey || len(now.Votes[0].Proof) == 0 {
		t.Errorf("%+v", now)
	}
	if want := []string{"alice true passkey", "bob true passkey"}; !slices.Equal(h.journal.votes(), want) {
		t.Errorf("recorded %v", h.journal.votes())
	}
	if text := textOf(t, alice.get("/").text, "approved"); !strings.Contains(text, "2 of 2 of finance") {
		t.Errorf("the list has %q", text)
	}
}

// TestVotesThatDoNotCount say why, change nothing, and keep what was typed.
func TestVotesThatDoNotCount(t *testing.T) {
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"bob"}, Expires: time.Hour}
	for name, tt := range map[string]struct {
		quorum *rules.Quorum
		asker  string
		change func(h *house, ticket *approval.Ticket, form url.Values)
		status int
		want   string
	}{
		"stale":      {nil, "x", func(_ *house, _ *approval.Ticket, f url.Values) { f.Set("hash", "0x"+strings.Repeat("12", 32)) }, 409, "not the one that you were shown"},
		"no hash":    {nil, "x", func(_ *house, _ *approval.Ticket, f url.Values) { f.Del("hash") }, 400, "does not say what was shown"},
		"no verdict": {nil, "x", func(_ *house, _ *approval.Ticket, f url.Values) { f.Set("verdict", "Approve") }, 400, "neither approve nor reject"},
		"long":       {nil, "x", func(_ *house, _ *approval.Ticket, f url.Values) { f.Set("comment", strings.Repeat("ä", 501)) }, 400, "1002 bytes"},
		"turning":    {nil, "x", func(_ *house, _ *approval.Ticket, f url.Values) { f.Set("comment", "a\u202eb") }, 400, "can&#39;t be shown"},
		"not asked":  {board, "x", nil, 403, "not among those who are asked"},
		"who asks":   {nil, "alice", nil, 403, "Who asks"},
		"expired": {nil, "x", func(h *house, _ *approval.Ticket, _ url.Values) {
			h.clock.pass(29 * time.Minute)
			h.clock.pass(time.Minute)
		}, 409, "expired"},
		"disk full": {nil, "x", func(h *house, _ *approval.Ticket, _ url.Values) {
			h.journal.mu.Lock()
			h.journal.fails = true
			h.journal.mu.Unlock()
		}, 503, "could not be kept"},
		"decided": {nil, "x", func(h *house, ticket *approval.Ticket, _ url.Values) {
			if _, err := h.queue.Vote(h.t.Context(), approval.Ballot{Ticket: ticket.Content.ID, Hash: ticket.Hash, Person: "bob", Way: "terminal"}); err != nil {
				h.t.Fatal(err)
			}
		}, 409, "rejected since"},
		"voted": {nil, "x", func(h *house, ticket *approval.Ticket, _ url.Values) {
			if _, err := h.queue.Vote(h.t.Context(), approval.Ballot{Ticket: ticket.Content.ID, Hash: ticket.Hash, Person: "alice", Approve: true, Way: "terminal"}); err != nil {
				h.t.Fatal(err)
			}
		}, 409, "voted already"},
	} {
		t.Run(name, func(t *testing.T) {
			// By OpenID Connect: a vote that is begun with a passkey is refused before.
			h := newHouse(t, func(c *Config) { c.Idle = time.Hour })
			quorums := []*rules.Quorum{finance()}
			if tt.quorum != nil {
				quorums = []*rules.Quorum{tt.quorum}
			}
			ticket := h.ask(payment(1, tt.asker), quorums...)
			b := h.oidcBrowser("alice")
			form := b.ballot(ticket, "approve", "what was typed")
			if tt.change != nil {
				tt.change(h, ticket, form)
			}
			before := len(h.find(ticket.Content.ID).Votes)
			got := b.post("/tickets/"+ticket.Content.ID+"/vote", form)
			if got.status != tt.status || !strings.Contains(got.text, tt.want) {
				t.Errorf("%d %s", got.status, textOf(t, got.text, "alert"))
			}
			if len(h.find(ticket.Content.ID).Votes) != before {
				t.Error("it counts")
			}
			if strings.Contains(got.text, `id="comment"`) && form.Get("comment") == "what was typed" && !strings.Contains(got.text, "what was typed</textarea>") {
				t.Error("what was typed is lost")
			}
		})
	}
}

// oidcBrowser is the browser of somebody who has signed in at an issuer.
func (h *house) oidcBrowser(person string) *browser {
	h.t.Helper()
	b := h.newBrowser()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.cfg.Origin, http.NoBody)
	if err != nil {
		h.t.Fatal(err)
	}
	b.Jar.SetCookies(r.URL, []*http.Cookie{{Name: h.cookies.session, Value: h.sessions.begin(person, wayOIDC), Path: "/", Secure: true}})
	return b
}

// patient are tickets that a vote is counted on only while nobody has given up.
type patient struct{ *approval.Queue }

func (p patient) Vote(ctx context.Context, ballot approval.Ballot) (*approval.Ticket, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return p.Queue.Vote(ctx, ballot)
}

// TestAHangUpTakesNoVoteBack: it is counted, whether or not the browser waits.
func TestAHangUpTakesNoVoteBack(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		queue, ok := c.Tickets.(*approval.Queue)
		if !ok {
			t.Fatal("no queue")
		}
		c.Tickets = patient{queue}
	})
	ticket := h.ask(payment(1, "payments.example"))
	b := h.oidcBrowser("alice")
	form := b.ballot(ticket, "reject", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, testOrigin+"/tickets/"+ticket.Content.ID+"/vote", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, cookie := range b.Jar.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther || h.find(ticket.Content.ID).State != approval.StateRejected {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestVoteByOIDC(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(payment(1, "payments.example"))
	b := h.oidcBrowser("alice")
	form := b.ballot(ticket, "approve", "")
	if got := b.post("/tickets/"+ticket.Content.ID+"/vote/begin", form); got.status != http.StatusConflict {
		t.Errorf("begun with a passkey: %d", got.status)
	}
	form.Set("answer", `{"proof":"of nothing"}`)
	if got := b.post("/tickets/"+ticket.Content.ID+"/vote", form); got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if vote := h.find(ticket.Content.ID).Votes[0]; vote.Way != wayOIDC || vote.Proof != nil {
		t.Errorf("%+v", vote)
	}
}

// TestAPasskeyVotesForWhatItSigned, and for nothing else.
func TestAPasskeyVotesForWhatItSigned(t *testing.T) {
	h := newHouse(t, nil)
	ticket, other := h.ask(payment(1, "payments.example")), h.ask(payment(2, "payments.example"))
	alice, bob := h.signedInBrowser("alice"), h.signedInBrowser("bob")
	path := "/tickets/" + ticket.Content.ID + "/vote"
	for name, tt := range map[string]struct {
		answer string // "" is of alice
		person string
		change func(form url.Values) (path string)
	}{
		"no answer":      {answer: "none"},
		"no JSON":        {answer: "{"},
		"other answer":   {answer: "{}"},
		"another person": {person: "bob"},
		"other verdict":  {change: func(f url.Values) string { f.Set("verdict", "approve"); return path }},
		"other comment":  {change: func(f url.Values) string { f.Set("comment", "x"); return path }},
		"other hash":     {change: func(f url.Values) string { f.Set("hash", other.Hash.Hex()); return path }},
		"other ticket": {change: func(f url.Values) string {
			f.Set("hash", other.Hash.Hex())
			return "/tickets/" + other.Content.ID + "/vote"
		}},
		"unknown ticket": {change: func(url.Values) string { return "/tickets/abc/vote" }},
	} {
		form := alice.ballot(ticket, "reject", "")
		person, to := "alice", path
		if tt.person != "" {
			person = tt.person
		}
		form.Set("answer", answerOf(person, alice.options(path+"/begin", form)))
		if tt.answer != "" {
			form.Set("answer", strings.TrimPrefix(tt.answer, "none"))
		}
		if tt.change != nil {
			to = tt.change(form)
		}
		if got := alice.post(to, form); got.status != http.StatusBadRequest && got.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	h.keys.mu.Lock()
	h.keys.mute = true
	h.keys.mu.Unlock()
	if got := alice.vote(ticket, "alice", "reject", ""); got.status != http.StatusBadRequest {
		t.Errorf("without a proof: %d", got.status)
	}
	h.keys.mu.Lock()
	h.keys.mute = false
	h.keys.mu.Unlock()
	// What alice's browser has begun ends in no other, and only once.
	form := alice.ballot(ticket, "reject", "")
	form.Set("answer", answerOf("alice", alice.options(path+"/begin", form)))
	theirs := bob.ballot(ticket, "reject", "")
	theirs.Set("answer", form.Get("answer"))
	if got := bob.post(path, theirs); got.status != http.StatusBadRequest {
		t.Errorf("in another browser: %d", got.status)
	}
	if votes := h.journal.votes(); len(votes) != 0 {
		t.Fatalf("%v", votes)
	}
	if got := alice.post(path, form); got.status != http.StatusSeeOther {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := alice.post(path, form); got.status != http.StatusBadRequest || len(h.journal.votes()) != 1 {
		t.Errorf("the second time: %d, %v", got.status, h.journal.votes())
	}
}

// TestBeginningIsRefused for a vote that would not count.
func TestBeginningIsRefused(t *testing.T) {
	h := newHouse(t, nil)
	board := &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"bob"}, Expires: time.Hour}
	ticket, theirs := h.ask(payment(1, "payments.example")), h.ask(payment(2, "payments.example"), board)
	b := h.signedInBrowser("alice")
	stale := b.ballot(ticket, "approve", "")
	stale.Set("hash", theirs.Hash.Hex())
	for name, tt := range map[string]struct {
		id     string
		form   url.Values
		status int
	}{
		"unknown":   {"abc", b.ballot(ticket, "approve", ""), 404},
		"stale":     {ticket.Content.ID, stale, 409},
		"not asked": {theirs.Content.ID, b.ballot(theirs, "approve", ""), 403},
		"verdict":   {ticket.Content.ID, b.ballot(ticket, "", ""), 400},
	} {
		if got := b.do(http.MethodPost, "/tickets/"+tt.id+"/vote/begin", tt.form, asJSON); got.status != tt.status || !strings.HasPrefix(got.text, `{"error":"`) {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if votes := h.journal.votes(); len(votes) != 3 || strings.Count(strings.Join(votes, ""), "!") != 3 { // a form without a verdict is no vote
		t.Errorf("on record are %v", votes)
	}
}
