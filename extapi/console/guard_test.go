package console

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestEveryAnswerHasTheHeaders that keep pages from others, whatever is asked.
func TestEveryAnswerHasTheHeaders(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(payment(1, "payments.example"))
	in, out := h.signedInBrowser("alice"), h.newBrowser()
	wrongHost := func(r *http.Request) { r.Host = "evil.example" }
	for name, got := range map[string]answer{
		"page": in.get("/"), "ticket": in.get("/tickets/" + ticket.Content.ID), "style": out.get("/assets/console.css"), "icon": out.get("/assets/icon.svg"),
		"signin": out.get("/signin"), "led away": out.get("/"), "nothing": out.get("/x"), "method": in.do(http.MethodDelete, "/", nil, nil),
		"forged": in.post("/signout", url.Values{}), "no session": out.post("/signout", url.Values{}), "host": out.do(http.MethodGet, "/", nil, wrongHost),
		"events": out.get("/events"), "begin": out.do(http.MethodPost, "/signin/passkey/begin", url.Values{}, asJSON), "clean": out.get("//x/../"),
	} {
		for header, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
			"Strict-Transport-Security": "max-age=31536000",
		} {
			if values := got.header.Values(header); len(values) != 1 || values[0] != want {
				t.Errorf("%s: %s is %q", name, header, values)
			}
		}
	}
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s", part)
		}
	}
	for _, part := range []string{"unsafe", "data:", "*", "http"} {
		if strings.Contains(policy, part) {
			t.Errorf("the policy has %s", part)
		}
	}
}

func TestHosts(t *testing.T) {
	h := newHouse(t, nil)
	b := h.signedInBrowser("alice")
	for host, want := range map[string]int{
		"approvals.example": 200, "APPROVALS.example": 200, "approvals.example:443": 200, "approvals.example:80": 421, "approvals.example.evil.example": 421,
		"127.0.0.1": 421, "localhost": 421, h.Addr(): 421, "evil.example": 421, "[::1]": 421, "approvals.example.": 421,
	} {
		got := b.do(http.MethodGet, "/", nil, func(r *http.Request) { r.Host = host })
		if got.status != want || want == 421 && strings.Contains(got.text, "Tickets") {
			t.Errorf("%s: %d", host, got.status)
		}
	}
	if !strings.Contains(h.logged.String(), "console: host") {
		t.Error("the log has no word of it")
	}
}

// TestForgery: what another site sends changes nothing, nor does a form that is not
// of the session.
func TestForgery(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(payment(1, "payments.example"))
	alice, other := h.signedInBrowser("alice"), h.signedInBrowser("alice")
	path := "/tickets/" + ticket.Content.ID + "/vote"
	form := alice.ballot(ticket, "reject", "")
	form.Set("answer", answerOf("alice", alice.options(path+"/begin", form)))
	foreign := url.Values{"token": {other.token()}, "hash": form["hash"], "verdict": form["verdict"], "answer": form["answer"]}
	bare := url.Values{"hash": form["hash"], "verdict": form["verdict"], "answer": form["answer"]}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set(name, value)
		}
	}
	for name, tt := range map[string]struct {
		form   url.Values
		change func(*http.Request)
		want   int
	}{
		"no token":        {bare, nil, 403},
		"another's token": {foreign, nil, 403},
		"cross-site":      {form, header("Sec-Fetch-Site", "cross-site"), 403},
		"form of another site": {form, func(r *http.Request) {
			r.Header.Del("Origin")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "document")
		}, 403},
		"same-site":            {form, header("Sec-Fetch-Site", "same-site"), 403},
		"foreign origin":       {form, header("Origin", "https://evil.example"), 403},
		"null origin":          {form, header("Origin", "null"), 403},
		"origin in clear":      {form, header("Origin", "http://approvals.example"), 403},
		"another port":         {form, header("Origin", "https://approvals.example:8443"), 403},
		"JSON":                 {form, header("Content-Type", "application/json"), 400},
		"text":                 {form, header("Content-Type", "text/plain"), 400},
		"parts":                {form, header("Content-Type", "multipart/form-data; boundary=x"), 400},
		"token in the address": {bare, func(r *http.Request) { r.URL.RawQuery = url.Values{"token": form["token"]}.Encode() }, 403},
	} {
		if got := alice.do(http.MethodPost, path, tt.form, tt.change); got.status != tt.want {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if got := alice.do(http.MethodGet, path, nil, nil); got.status != http.StatusNotFound {
		t.Errorf("by GET: %d", got.status)
	}
	if votes := h.journal.votes(); len(votes) != 0 || h.find(ticket.Content.ID).State != "open" {
		t.Fatalf("votes %v", votes)
	}
	if got := alice.post(path, form); got.status != http.StatusSeeOther {
		t.Errorf("the form itself: %d %s", got.status, got.text)
	}
}

// TestPagesAreNotEmbedded by other sites, and what another site leads to comes twice.
func TestPagesAreNotEmbedded(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(payment(1, "payments.example"))
	in, out := h.signedInBrowser("alice"), h.newBrowser()
	from := func(site, mode, dest string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Sec-Fetch-Mode", mode)
			r.Header.Set("Sec-Fetch-Dest", dest)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"image": from("cross-site", "no-cors", "image"), "script": from("cross-site", "no-cors", "script"), "frame": from("cross-site", "navigate", "iframe"),
		"fetch": from("same-site", "cors", "empty"),
	} {
		for _, path := range []string{"/", "/events", "/assets/console.js"} {
			if got := in.do(http.MethodGet, path, nil, change); got.status != http.StatusForbidden {
				t.Errorf("%s of %s: %d", name, path, got.status)
			}
		}
	}
	// A link in a message: the strict cookie is not sent at first.
	path := "/tickets/" + ticket.Content.ID
	got := out.do(http.MethodGet, path, nil, from("cross-site", "navigate", "document"))
	if got.status != http.StatusOK || !strings.Contains(got.text, `<meta http-equiv="refresh" content="0; url=`+path+`">`) || strings.Contains(got.text, ticket.Hash.Hex()) {
		t.Errorf("a link from elsewhere: %d %s", got.status, got.text)
	}
	if got := out.do(http.MethodGet, path, nil, from("same-origin", "navigate", "document")); got.status != http.StatusSeeOther ||
		got.header.Get("Location") != "/signin?next="+url.QueryEscape(path) {
		t.Errorf("the second time: %d %v", got.status, got.header)
	}
}

// TestNobodyIsLedElsewhere after signing in.
func TestNobodyIsLedElsewhere(t *testing.T) {
	for next, want := range map[string]string{
		"/history": "/history", "/tickets/abc234": "/tickets/abc234", "//evil.example": "/", "https://evil.example": "/", "/\\evil.example": "/",
		"/tickets/../..": "/", "": "/", "/signout": "/", "/tickets/abc\n": "/", "/assets/console.js": "/",
	} {
		if got := nextOf(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

func TestLargeForms(t *testing.T) {
	h := newHouse(t, nil)
	if got := h.newBrowser().post("/signin/passkey", url.Values{"answer": {strings.Repeat("a", maxBody)}}); got.status != http.StatusBadRequest {
		t.Errorf("%d", got.status)
	}
}

// TestStrangersGiveTheirPlaceUp: who has not signed in, and promises a form that does not come,
// is answered at once and keeps nobody out.
func TestStrangersGiveTheirPlaceUp(t *testing.T) {
	const places = 4
	for name, c := range map[string]struct {
		head   string
		status int
	}{
		"host":        {"POST /signin/passkey HTTP/1.1\r\nHost: evil.example\r\n", http.StatusMisdirectedRequest},
		"origin":      {"POST /signin/passkey HTTP/1.1\r\nHost: approvals.example\r\nOrigin: https://evil.example\r\n", http.StatusForbidden},
		"no session":  {"POST /signout HTTP/1.1\r\nHost: approvals.example\r\n", http.StatusUnauthorized},
		"no form":     {"POST /signin/passkey HTTP/1.1\r\nHost: approvals.example\r\nContent-Type: text/plain\r\n", http.StatusBadRequest},
		"no such one": {"POST /nowhere HTTP/1.1\r\nHost: approvals.example\r\n", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(cfg *Config) { cfg.MaxConns, cfg.HeaderTimeout, cfg.ReadTimeout = places, time.Hour, time.Hour })
			for range places {
				dialer := tls.Dialer{Config: &tls.Config{RootCAs: h.ca.Pool(), MinVersion: tls.VersionTLS13, ServerName: "approvals.example"}}
				conn, err := dialer.DialContext(t.Context(), "tcp", h.Addr())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
					t.Fatal(err)
				}
				fmt.Fprint(conn, c.head+"Content-Length: 1000\r\n\r\n")
				if got, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || got.StatusCode != c.status {
					t.Fatalf("got %+v, %v", got, err)
				}
			}
			if got := h.newBrowser().do(http.MethodGet, "/signin", nil, nil); got.status != http.StatusOK {
				t.Errorf("somebody who comes then got %d", got.status)
			}
		})
	}
}
