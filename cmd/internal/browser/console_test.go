package browser_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	wide, wideHigh   = 1280, 900
	phone, phoneHigh = 390, 844
)

// TestConsole is a day of three people and their signer.
func TestConsole(t *testing.T) {
	s := start(t)
	alice := newPerson(t, s, "alice", wide, wideHigh)
	bob := newPerson(t, s, "bob", phone, phoneHigh)
	carol := newPerson(t, s, "carol", wide, wideHigh)
	for _, p := range []*person{alice, bob, carol} {
		p.enrol(t)
	}
	soon := s.ask(t, "account_signData", "text/plain", s.account, "0x"+hexOf("in a minute"))
	t.Run("quorum", func(t *testing.T) { quorum(t, s, alice, bob) })
	t.Run("reject", func(t *testing.T) { reject(t, s, carol) })
	t.Run("changed", func(t *testing.T) { changed(t, s, alice, bob) })
	t.Run("stale", func(t *testing.T) { stale(t, s, alice, carol) })
	t.Run("inert", func(t *testing.T) { inert(t, s, alice) })
	t.Run("keyboard", func(t *testing.T) { keyboard(t, s, carol) })
	t.Run("elsewhere", func(t *testing.T) { elsewhere(t, s, alice) })
	t.Run("pages", func(t *testing.T) { pages(t, s, alice, bob) })
	t.Run("links are used once", func(t *testing.T) { once(t, s) })
	t.Run("expiry", func(t *testing.T) { expiry(t, s, alice, ticketOf(t, soon)) })
	out, err := s.run(t, "audit", "verify")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Approvals +(\d+) votes, of which (\d+) proved by passkeys`).FindStringSubmatch(out)
	if len(found) != 3 || found[1] != found[2] {
		t.Errorf("not all votes are proved: %s", out)
	}
}

// quorum: a ticket appears on a page that is open, is read, and approved in two
// browsers; then the same request is signed.
func quorum(t *testing.T, s *signer, alice, bob *person) {
	alice.open(t, "/")
	ticket := ticketOf(t, s.pay(t, 1500))
	alice.do(t, chromedp.WaitVisible(by("ticket-"+ticket))) // without loading anything
	alice.do(t, chromedp.Click(by("ticket-"+ticket)+" .row-title"), chromedp.WaitVisible(by("approve")))
	page := alice.text(t)
	for _, want := range []string{"transfer(address,uint256)", shop, "1500000000", "shop", "USDC", "1 of", "0.00018 ether", s.account, "large"} {
		if want != "1 of" && !strings.Contains(page, want) {
			t.Errorf("the page of the ticket does not have %q: %s", want, page)
		}
	}
	bob.open(t, "/tickets/"+ticket)
	alice.do(t, chromedp.SendKeys(by("comment"), "as agreed"), chromedp.Click(by("approve")), chromedp.WaitVisible(by("voted")))
	if a := s.pay(t, 1500); ticketOf(t, a) != ticket || !strings.Contains(a.Error.Message, "waits for 1 of finance") {
		t.Errorf("after one vote: %+v", a.Error)
	}
	bob.open(t, "/tickets/"+ticket)
	bob.do(t, chromedp.Click(by("approve")), chromedp.WaitVisible(by("voted")))
	a := s.pay(t, 1500)
	var signed struct{ Raw string }
	if a.Error != nil || json.Unmarshal(a.Result, &signed) != nil || !strings.HasPrefix(signed.Raw, "0x02") {
		t.Errorf("after two votes: %s, %+v", a.Result, a.Error)
	}
	alice.open(t, "/history")
	if page := alice.text(t); !strings.Contains(page, "signed") {
		t.Errorf("the history: %s", page)
	}
}

// reject: one rejection ends it.
func reject(t *testing.T, s *signer, carol *person) {
	ticket := ticketOf(t, s.pay(t, 2))
	carol.open(t, "/tickets/"+ticket)
	carol.do(t, chromedp.SendKeys(by("comment"), "who is that?"), chromedp.Click(by("reject")), chromedp.WaitVisible(by("why-not")))
	if a := s.pay(t, 2); a.Error == nil || !strings.Contains(a.Error.Message, "was rejected by carol") {
		t.Errorf("%+v", a)
	}
}

// changed: what is asked for after the approval is what was approved, or waits anew.
func changed(t *testing.T, s *signer, alice, bob *person) {
	ticket := ticketOf(t, s.pay(t, 3))
	for _, p := range []*person{alice, bob} {
		p.open(t, "/tickets/"+ticket)
		p.do(t, chromedp.Click(by("approve")), chromedp.WaitVisible(by("voted")))
	}
	if other := ticketOf(t, s.pay(t, 3_000_000)); other == ticket {
		t.Error("another amount has the approval")
	}
	if a := s.pay(t, 3); a.Error != nil {
		t.Errorf("what was approved: %+v", a.Error)
	}
}

// stale: a page that was left open does not vote on what has become of its ticket.
func stale(t *testing.T, s *signer, alice, carol *person) {
	ticket := ticketOf(t, s.pay(t, 4))
	alice.open(t, "/tickets/"+ticket)
	alice.do(t, chromedp.SendKeys(by("comment"), "still typing"))
	carol.open(t, "/tickets/"+ticket)
	carol.do(t, chromedp.Click(by("reject")), chromedp.WaitVisible(by("why-not")))
	alice.do(t, chromedp.WaitVisible("#changed")) // by itself, and nothing typed is lost
	alice.do(t, chromedp.Click(by("approve")), chromedp.WaitVisible(`.alert, [data-said].wrong`))
	if page := alice.text(t); !strings.Contains(page, "rejected") && !strings.Contains(page, "changed") {
		t.Errorf("a late vote: %s", page)
	}
	if a := s.pay(t, 4); a.Error == nil || !strings.Contains(a.Error.Message, "was rejected by carol") {
		t.Errorf("%+v", a)
	}
}

// inert: what callers and people write is shown, and does nothing. What a page
// complains of, or runs, fails the test at its end.
func inert(t *testing.T, s *signer, alice *person) {
	ticket := ticketOf(t, s.ask(t, "account_signData", "text/plain", s.account, "0x"+hexOf(evil+" \u202egnp.exe")))
	alice.open(t, "/tickets/"+ticket)
	page := alice.text(t)
	if !strings.Contains(page, `<script>document.title="harm"</script>`) {
		t.Errorf("the message is not shown: %s", page)
	}
	if strings.Contains(page, "\u202e") {
		t.Error("a text turns the page around")
	}
	alice.do(t, chromedp.SendKeys(by("comment"), evil), chromedp.Click(by("reject")), chromedp.WaitVisible(by("why-not")))
	for _, path := range []string{"/tickets/" + ticket, "/history", "/passkeys", "/", "/history?q=%3Cscript%3Ealert(1)%3C/script%3E"} {
		alice.open(t, path)
		var title string
		alice.read(t, chromedp.Title(&title))
		if strings.Contains(title, "harm") {
			t.Errorf("%s ran what a caller wrote", path)
		}
	}
}

// keyboard: a ticket is approved without a pointer.
func keyboard(t *testing.T, s *signer, carol *person) {
	ticket := ticketOf(t, s.pay(t, 5))
	carol.open(t, "/tickets/"+ticket)
	carol.tab(t, "comment")
	carol.do(t, chromedp.KeyEvent("by hand"))
	carol.tab(t, "approve")
	carol.do(t, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(by("voted")))
}

// tab goes on by the tabulator until something has the focus.
func (p *person) tab(t *testing.T, id string) {
	t.Helper()
	for range 100 {
		var at string
		p.do(t, chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(`document.activeElement.dataset.testid || ""`, &at))
		if at == id {
			return
		}
	}
	t.Fatalf("the keyboard does not lead to %s", id)
}

// elsewhere: a page of another site can't vote, with the session that the browser has.
func elsewhere(t *testing.T, s *signer, alice *person) {
	ticket := ticketOf(t, s.pay(t, 6))
	shown, err := s.run(t, "approvals", "show", ticket, "--json")
	if err != nil {
		t.Fatal(err)
	}
	hash := regexp.MustCompile(`"hash": *"(0x[0-9a-f]{64})"`).FindStringSubmatch(shown)[1]
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<form id="f" method="post" action="` + s.url + `/tickets/` + ticket + `/vote"><input name="hash" value="` + hash + // it is gone if that fails
			`"><input name="verdict" value="reject"><input name="token" value="x"></form><main>trap</main>`))
	}))
	t.Cleanup(other.Close)
	alice.do(t, chromedp.Navigate(other.URL), chromedp.WaitVisible("main"), chromedp.Evaluate(`document.getElementById("f").submit()`, nil), chromedp.WaitNotPresent("#f"))
	var framed bool
	alice.do(t, chromedp.Navigate(other.URL), chromedp.WaitVisible("main"), chromedp.Evaluate(`new Promise(done => {
		const f = document.createElement("iframe"); f.src = "`+s.url+`/"; f.onload = () => { try { done(f.contentDocument !== null && f.contentDocument.body.children.length > 0) } catch (e) { done(false) } };
		document.body.append(f); setTimeout(() => done(false), 2000) })`, &framed, chromedp.EvalWithCommandLineAPI, awaits))
	if framed {
		t.Error("another site frames the console")
	}
	if after, err := s.run(t, "approvals", "show", ticket, "--json"); err != nil || !strings.Contains(after, `"state": "open"`) {
		t.Errorf("%v: %s", err, after)
	}
	alice.open(t, "/")
}

// pages: each can be read on a wide screen and on a phone, which scrolls one way.
func pages(t *testing.T, s *signer, alice, bob *person) {
	checker := axe(t)
	ticket := ticketOf(t, s.pay(t, 7))
	for path, name := range map[string]string{
		"/": "open", "/history": "history", "/limits": "limits", "/accounts": "accounts", "/record": "record", "/passkeys": "passkeys", "/tickets/" + ticket: "ticket",
	} {
		alice.accessible(t, checker, path)
		bob.accessible(t, checker, path)
		alice.open(t, path)
		alice.picture(t, name+"-wide")
		bob.open(t, path)
		bob.picture(t, name+"-phone")
		if path == "/" {
			alice.do(t, chromedp.Click(by("signout")), chromedp.WaitVisible(by("signin-passkey")))
			alice.accessible(t, checker, "/signin")
			alice.accessible(t, checker, "/enrol")
			alice.open(t, "/signin")
			alice.signIn(t)
		}
		var over int
		bob.read(t, chromedp.Evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth", &over))
		if over > 0 {
			t.Errorf("%s is %d pixels too wide for a phone", path, over)
		}
	}
}

// expiry: a page that is open tells that the time of its ticket is over, and nobody
// votes on it any more.
func expiry(t *testing.T, s *signer, alice *person, ticket string) {
	alice.open(t, "/tickets/"+ticket)
	ended := `.state-expired`
	for range 3 { // a minute, from the beginning of the test
		if alice.sees(ended) {
			break
		}
	}
	alice.do(t, chromedp.WaitVisible(ended), chromedp.WaitNotPresent(by("approve")))
	a := s.ask(t, "account_signData", "text/plain", s.account, "0x"+hexOf("in a minute"))
	if a.Error == nil || !strings.Contains(a.Error.Message, "has expired") {
		t.Errorf("after its time: %s, %+v", a.Result, a.Error)
	}
}

// once: a link that was used enrols nobody else.
func once(t *testing.T, s *signer) {
	link, err := s.run(t, "approvals", "enrol", "carol")
	if err != nil {
		t.Fatal(err)
	}
	first, second := newPerson(t, s, "carol", wide, wideHigh), newPerson(t, s, "mallory", wide, wideHigh)
	first.do(t, chromedp.Navigate(link), chromedp.WaitVisible(by("enrol")), chromedp.Click(by("enrol")), chromedp.WaitVisible(by("signin-passkey")))
	second.do(t, chromedp.Navigate(link), chromedp.WaitVisible(by("enrol")), chromedp.Click(by("enrol")), chromedp.WaitVisible(`[data-said].wrong`))
	if page := second.text(t); !strings.Contains(page, "the link is used") {
		t.Errorf("a used link: %s", page)
	}
}
