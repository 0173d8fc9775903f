package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSignIn(t *testing.T) {
	h := newHouse(t, nil)
	b := h.newBrowser()
	options := b.options("/signin/passkey/begin", url.Values{})
	got := b.post("/signin/passkey", url.Values{"answer": {answerOf("alice", options)}, "next": {"/history"}})
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/history" {
		t.Fatalf("%d %v", got.status, got.header)
	}
	found := false
	for _, text := range got.header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(text)
		if err != nil {
			t.Fatal(err)
		}
		if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Domain != "" || !strings.HasPrefix(cookie.Name, "__Host-") {
			t.Errorf("cookie %s", text)
		}
		if cookie.Name == "__Host-kvclef-session" {
			found = true
			if len(cookie.Value) != 43 || strings.Contains(h.logged.String(), cookie.Value) {
				t.Errorf("session %q", cookie.Value)
			}
		}
	}
	if !found || !strings.Contains(h.logged.String(), "Person signed in") {
		t.Error("no session, or no word of it in the log")
	}
	// An answer works once.
	if got := b.post("/signin/passkey", url.Values{"answer": {answerOf("alice", options)}}); got.status == http.StatusSeeOther {
		t.Error("an answer was taken twice")
	}
}

func TestSignInIsRefused(t *testing.T) {
	h := newHouse(t, nil)
	for name, try := range map[string]func(b *browser) answer{
		"nothing begun": func(b *browser) answer { return b.post("/signin/passkey", url.Values{"answer": {"{}"}}) },
		"no answer": func(b *browser) answer {
			b.options("/signin/passkey/begin", url.Values{})
			return b.post("/signin/passkey", url.Values{})
		},
		"no JSON": func(b *browser) answer {
			b.options("/signin/passkey/begin", url.Values{})
			return b.post("/signin/passkey", url.Values{"answer": {"{"}})
		},
		"wrong answer": func(b *browser) answer {
			b.options("/signin/passkey/begin", url.Values{})
			return b.post("/signin/passkey", url.Values{"answer": {"{}"}})
		},
		"no person any more": func(b *browser) answer {
			return b.post("/signin/passkey", url.Values{"answer": {answerOf("mallory", b.options("/signin/passkey/begin", url.Values{}))}})
		},
		"another browser": func(b *browser) answer {
			options := h.newBrowser().options("/signin/passkey/begin", url.Values{})
			b.options("/signin/passkey/begin", url.Values{})
			return b.post("/signin/passkey", url.Values{"answer": {answerOf("alice", options)}})
		},
	} {
		b := h.newBrowser()
		if got := try(b); got.status != http.StatusBadRequest && got.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.status)
		}
		if got := b.get("/"); got.status != http.StatusSeeOther {
			t.Errorf("%s: is in", name)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		act func(h *house, b *browser)
		in  bool
	}{
		"used now and then": {func(h *house, b *browser) {
			for range 20 {
				h.clock.pass(29 * time.Minute)
				b.get("/limits")
			}
		}, true},
		"idle": {func(h *house, _ *browser) { h.clock.pass(30 * time.Minute) }, false},
		"in the end": {func(h *house, b *browser) {
			for range 25 {
				h.clock.pass(29 * time.Minute)
				b.get("/limits")
			}
		}, false},
		"signed out": {func(_ *house, b *browser) { b.post("/signout", url.Values{"token": {b.token()}}) }, false},
		"a passkey removed": {func(_ *house, b *browser) {
			b.post("/passkeys/remove", url.Values{"token": {b.token()}, "id": {"c3BhcmUta2V5"}})
		}, true},
		"removed from elsewhere": {func(h *house, _ *browser) {
			other := h.signedInBrowser("alice")
			other.post("/passkeys/remove", url.Values{"token": {other.token()}, "id": {"c3BhcmUta2V5"}})
		}, false},
		"by another person": {func(h *house, _ *browser) {
			other := h.signedInBrowser("bob")
			other.post("/passkeys/remove", url.Values{"token": {other.token()}, "id": {"c3BhcmUta2V5"}})
		}, true},
		"twenty more": {func(h *house, _ *browser) {
			for range maxPerPerson {
				h.clock.pass(time.Second)
				h.sessions.begin("alice", wayPasskey)
			}
		}, false},
		"a thousand of others": {func(h *house, _ *browser) {
			for i := range maxSessions {
				h.clock.pass(time.Second)
				h.sessions.begin(string(rune(i)), wayPasskey)
			}
		}, false},
		"by the operator":          {func(h *house, _ *browser) { h.SignOut("alice") }, false},
		"another, by the operator": {func(h *house, _ *browser) { h.SignOut("bob") }, true},
		"all":                      {func(h *house, _ *browser) { h.sessions.close() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, nil)
			ticket := h.ask(payment(1, "payments.example"))
			b := h.signedInBrowser("alice")
			h.t, b.h.t = t, t
			form := b.ballot(ticket, "reject", "")
			tt.act(h, b)
			got := b.get("/limits")
			if (got.status == http.StatusOK) != tt.in {
				t.Fatalf("status %d", got.status)
			}
			if tt.in {
				return
			}
			if got := b.post("/tickets/"+ticket.Content.ID+"/vote", form); got.status != http.StatusUnauthorized || len(h.journal.votes()) != 0 {
				t.Errorf("a vote afterwards: %d, %v", got.status, h.journal.votes())
			}
			if got := b.get("/events"); got.status != http.StatusUnauthorized {
				t.Errorf("events afterwards: %d", got.status)
			}
		})
	}
}

// TestSessionsAreNotKept in clear: nobody who reads memory finds cookies.
func TestSessionsAreHashed(t *testing.T) {
	s := newSessions(time.Hour, time.Hour, time.Now)
	cookie := s.begin("alice", wayPasskey)
	for key, of := range s.open {
		if strings.Contains(string(key[:]), cookie) || of.token == cookie || of.browser == cookie || of.token == of.browser {
			t.Error("a secret is used twice")
		}
	}
	if s.find(cookie, true) == nil || s.find(cookie[1:], true) != nil || s.find("", true) != nil {
		t.Error("not found by the cookie, or by another")
	}
	s.close()
	if s.begin("alice", wayPasskey) != "" {
		t.Error("a session began after all have ended")
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	h := newHouse(t, nil)
	b := h.newBrowser()
	refused := 0
	for range attemptsBurst + 5 {
		if got := b.do(http.MethodPost, "/signin/passkey/begin", url.Values{}, asJSON); got.status == http.StatusTooManyRequests {
			refused++
			if got.header.Get("Retry-After") == "" || !strings.Contains(got.text, `"error"`) {
				t.Errorf("%v %s", got.header, got.text)
			}
		}
	}
	if refused != 5 {
		t.Errorf("%d refused", refused)
	}
	if got := b.get("/signin"); got.status != http.StatusOK {
		t.Errorf("the door: %d", got.status)
	}
	h.clock.pass(attemptsInterval)
	b.options("/signin/passkey/begin", url.Values{})
}

func TestAttemptsOfManyAddresses(t *testing.T) {
	c := &clock{now: time.Now()}
	a := newAttempts(c.Now)
	r := &http.Request{}
	allowed := 0
	for i := range 3 * maxAddresses {
		r.RemoteAddr = "[2001:db8:" + string("0123456789abcdef"[i%16]) + string("0123456789abcdef"[i/16%16]) + string("0123456789abcdef"[i/256%16]) + ":" + string("0123456789abcdef"[i/4096%16]) + "::1]:80"
		if a.allowed(r) {
			allowed++
		}
	}
	if len(a.of) > maxAddresses || allowed > 2*attemptsAll {
		t.Errorf("%d addresses, %d attempts", len(a.of), allowed)
	}
	// One machine has a whole network.
	c.pass(time.Hour)
	a = newAttempts(c.Now)
	for range attemptsBurst {
		r.RemoteAddr = "[2001:db8::1]:80"
		a.allowed(r)
	}
	if r.RemoteAddr = "[2001:db8::ffff]:80"; a.allowed(r) {
		t.Error("its neighbour counts apart")
	}
}

// TestStrangersKeepNoApproverOut: whoever signed in once from an address can do so again while
// strangers of many addresses use up all attempts, and guesses from there are bounded still.
func TestStrangersKeepNoApproverOut(t *testing.T) {
	c := &clock{now: time.Now()}
	a := newAttempts(c.Now)
	from := func(addr string) *http.Request { return &http.Request{RemoteAddr: addr + ":80"} }
	for _, approver := range []string{"192.0.2.1", "192.0.2.1", "[2001:db8::1]"} {
		if !a.allowed(from(approver)) {
			t.Fatal("the first attempt is refused")
		}
		a.welcome(from(approver))
	}
	flood := func() (passed int) {
		for i := range 200 {
			if a.allowed(from(fmt.Sprintf("198.51.100.%d", i))) {
				passed++
			}
		}
		return passed
	}
	if passed := flood(); passed > 2*attemptsAll || a.allowed(from("192.0.2.2")) {
		t.Errorf("%d strangers passed, and another after them", passed)
	}
	passed := 0
	for range attemptsBurst {
		if a.allowed(from("192.0.2.1")) && a.allowed(from("[2001:db8::2]")) {
			passed++
		}
	}
	if passed < attemptsBurst-2 || a.allowed(from("192.0.2.1")) {
		t.Errorf("%d attempts of %d from where somebody signed in, or one too many", passed, attemptsBurst)
	}
	for i := range 2 * maxKnown {
		c.pass(time.Second)
		r := from(fmt.Sprintf("[2001:db8:%x::1]", i))
		a.allowed(r)
		a.welcome(r)
	}
	if len(a.known) != maxKnown {
		t.Errorf("%d addresses are known", len(a.known))
	}
}

func TestEnrolment(t *testing.T) {
	h := newHouse(t, nil)
	b := h.newBrowser()
	got := b.do(http.MethodPost, "/enrol/begin", url.Values{"enrolment": {"one-time"}}, asJSON)
	var begun struct {
		Person  string
		Options json.RawMessage
	}
	if err := json.Unmarshal([]byte(got.text), &begun); err != nil || begun.Person != "alice" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if got := b.post("/enrol", url.Values{"answer": {answerOf("alice", begun.Options)}, "label": {"laptop"}}); got.status != http.StatusSeeOther || got.header.Get("Location") != "/signin?after=enrol" {
		t.Errorf("%d %v", got.status, got.header)
	}
	if got := b.get("/"); got.status != http.StatusSeeOther {
		t.Error("an enrolment signs in")
	}
	for name, form := range map[string]url.Values{
		"used": {"enrolment": {"two-time"}}, "none": {}, "long": {"enrolment": {strings.Repeat("a", maxToken+1)}},
	} {
		if got := b.do(http.MethodPost, "/enrol/begin", form, asJSON); got.status != http.StatusForbidden && got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	for name, label := range map[string]string{"long": strings.Repeat("a", maxLabel+1), "turns": "a\u202eb", "lines": "a\nb"} {
		if got := b.post("/enrol", url.Values{"answer": {"{}"}, "label": {label}}); got.status != http.StatusBadRequest {
			t.Errorf("label %s: %d", name, got.status)
		}
	}
	if strings.Contains(h.logged.String(), "one-time") {
		t.Error("the log has the token")
	}
}
