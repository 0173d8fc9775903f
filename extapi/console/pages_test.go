package console

import (
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/net/html"

	"github.com/kvclef/kvclef/rules"
)

// elements returns all elements of a page.
func elements(t *testing.T, text string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var all []*html.Node
	for node := range root.Descendants() {
		if node.Type == html.ElementNode {
			all = append(all, node)
		}
	}
	return all
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// textOf returns the text of an element with a test id, with single spaces.
func textOf(t *testing.T, page, id string) string {
	t.Helper()
	for _, node := range elements(t, page) {
		if attribute(node, "data-testid") != id {
			continue
		}
		var b strings.Builder
		for inner := range node.Descendants() {
			if inner.Type == html.TextNode {
				b.WriteString(" " + inner.Data)
			}
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	t.Fatalf("nothing has the test id %q", id)
	return ""
}

func TestPages(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(tokens(common.Big256))
	if got := h.newBrowser().get("/"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/signin" {
		t.Errorf("without a session: %d %s", got.status, got.header.Get("Location"))
	}
	b := h.signedInBrowser("alice")
	for path, texts := range map[string][]string{
		"/":                               {"Waiting for you", ticket.Content.ID, "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "USDC", "key hot-1 of treasury", "on mainnet", "0.000256 USDC"},
		"/history":                        {"0 tickets"},
		"/limits":                         {"daily", "7 ether", `width="60.00%"`, `x="60.00%" width="10.00%"`},
		"/accounts":                       {"0x71562b71999873DB5b286dF957af199Ec94617F7", "hot-1", "5c1e0f", "answers"},
		"/record":                         {"4711", strings.Repeat("ab", 32)},
		"/passkeys":                       {"work laptop", "never used", "kvclef approvals enrol alice"},
		"/tickets/" + ticket.Content.ID:   {"transfer(address,uint256)", ticket.Hash.Hex(), ticket.Content.ID, "payroll", "0.000256 USDC", "Approve", "Reject"},
		"/tickets/nosuchticket":           {"There is no such ticket"},
		"/nowhere":                        {"There is no such page"},
		"/assets/console.css":             {"prefers-color-scheme"},
		"/assets/console.js":              {"EventSource"},
		"/enrol":                          {"Enrol a passkey"},
		"/history?state=x&page=99999999":  {"0 tickets"},
		"/history?search=%22%3E%3Cb%3Ehi": {`value="&#34;&gt;&lt;b&gt;hi"`},
	} {
		got := b.get(path)
		for _, text := range texts {
			if !strings.Contains(got.text, text) {
				t.Errorf("%s lacks %q", path, text)
			}
		}
	}
	if got := b.get("/signin"); got.status != http.StatusSeeOther {
		t.Errorf("the door for somebody who is in: %d", got.status)
	}
}

// TestATicketSaysEverything of what people are asked, each at its place.
func TestATicketSaysEverything(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(payment(1500000000000000000, "payments.example"))
	text := h.signedInBrowser("alice").get("/tickets/" + ticket.Content.ID).text
	for id, wants := range map[string][]string{
		"section-what":   {"chain mainnet (1)", "from 0x71562b71999873DB5b286dF957af199Ec94617F7", "key hot-1 of vault treasury", "to 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 payroll", "1.5 ether (1500000000000000000 wei)", "fees at most 0.00063 ether"},
		"section-why":    {"rule large", "reason finance must approve"},
		"section-who":    {"payments.example", "192.0.2.7"},
		"section-people": {"2 of alice, bob, carol", "2 missing", "open until 2026-03-01T12:30:00Z"},
		"section-proof":  {ticket.Content.ID, ticket.Hash.Hex()},
		"quorum":         {"0 of 2 of finance"},
	} {
		got := textOf(t, text, id)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s is %q, and lacks %q", id, got, want)
			}
		}
	}
}

// TestTextsOfOthersAreInert: what callers choose makes no elements and no attributes,
// leads nowhere, and does not turn the direction of a text.
func TestTextsOfOthersAreInert(t *testing.T) {
	evil := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `javascript:alert(1)`, `</title><svg onload=alert(1)>`,
		`{{.Token}}`, "a\u202eb\u2066c\u200bd", "<!--", "]]>", `</textarea><script>`, "\x00\x1b[31m", "&lt;b&gt;",
	}
	h := newHouse(t, func(c *Config) {
		c.Accounts = func() []rules.Account { return []rules.Account{{Key: evil[0], Vault: evil[1], Version: evil[6]}} }
		c.Head = func() (uint64, string) { return 1, evil[0] }
	})
	paths := []string{"/", "/history?search=" + url.QueryEscape(evil[1]), "/accounts", "/record", "/limits"}
	for i, text := range evil {
		req := typed(text)
		req.Principal = text
		ticket := h.ask(req, &rules.Quorum{Group: text, Threshold: 1, Of: []string{"alice", text}, Expires: time.Hour})
		paths = append(paths, "/tickets/"+ticket.Content.ID, "/tickets/"+ticket.Content.ID+"?whole=1")
		call := payment(int64(i), text)
		call.Call = &rules.Call{Method: text, Types: []string{text}, Arguments: []any{text}}
		paths = append(paths, "/tickets/"+h.ask(call).Content.ID)
	}
	b := h.signedInBrowser("alice")
	scripts := 0
	for _, path := range paths {
		got := b.get(path)
		if got.status != http.StatusOK {
			t.Errorf("%s: %d", path, got.status)
		}
		for _, node := range elements(t, got.text) {
			switch node.Data {
			case "script":
				if scripts++; attribute(node, "src") != "/assets/console.js" || node.FirstChild != nil {
					t.Errorf("%s: a script of somebody else", path)
				}
			case "img", "iframe", "object", "embed", "base", "style":
				t.Errorf("%s: <%s>", path, node.Data)
			}
			for _, a := range node.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(strings.TrimSpace(a.Val), "javascript:") {
					t.Errorf("%s: %s=%q", path, a.Key, a.Val)
				}
				if a.Key == "href" && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s leads to %q", path, a.Val)
				}
			}
		}
		if i := strings.IndexAny(got.text, "\u202e\u2066\u200b\x00\x1b"); i >= 0 && !strings.Contains(path, "search") {
			t.Errorf("%s has a character that is not seen: %q", path, got.text[max(0, i-40):i+10])
		}
	}
	if scripts != len(paths) {
		t.Errorf("%d scripts on %d pages", scripts, len(paths))
	}
	if text := b.get(paths[5]).text; !strings.Contains(text, "&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("what was asked is not shown")
	}
}

// TestElementsForReaders: labels, one heading of the page, landmarks, and unique ids.
func TestElementsForReaders(t *testing.T) {
	h := newHouse(t, nil)
	ticket := h.ask(tokens(common.Big256))
	b := h.signedInBrowser("alice")
	pages := map[string]string{"/signin": h.newBrowser().get("/signin").text, "/enrol": b.get("/enrol").text}
	for _, path := range []string{"/", "/history", "/limits", "/accounts", "/record", "/passkeys", "/tickets/" + ticket.Content.ID, "/nowhere"} {
		pages[path] = b.get(path).text
	}
	for path, text := range pages {
		ids, labels, count := make(map[string]bool), make(map[string]bool), make(map[string]int)
		all := elements(t, text)
		for _, node := range all {
			count[node.Data]++
			if id := attribute(node, "id"); id != "" {
				if ids[id] {
					t.Errorf("%s: two elements are %q", path, id)
				}
				ids[id] = true
			}
			if node.Data == "label" {
				labels[attribute(node, "for")] = true
			}
		}
		for _, node := range all {
			if by := attribute(node, "aria-labelledby"); by != "" && !ids[by] {
				t.Errorf("%s: nothing is %q", path, by)
			}
			input := node.Data == "textarea" || node.Data == "select" || node.Data == "input" && attribute(node, "type") != "hidden"
			if input && !labels[attribute(node, "id")] {
				t.Errorf("%s: %s has no label", path, attribute(node, "name"))
			}
		}
		if count["h1"] != 1 || count["main"] != 1 || count["header"] != 1 || attribute(all[0], "lang") != "en" {
			t.Errorf("%s: %v", path, count)
		}
	}
}

// TestTitles say in a list what is asked for.
func TestTitles(t *testing.T) {
	h := newHouse(t, nil)
	long := typed(strings.Repeat("a", maxListed))
	data := payment(3, "payments.example")
	creation := types.NewContractCreation(1, big.NewInt(0), 100000, big.NewInt(1), []byte{1})
	call := types.NewTransaction(1, usdc(), big.NewInt(0), 100000, big.NewInt(1), []byte{1, 2, 3, 4})
	for want, req := range map[string]*rules.Request{
		"Transfer of ether 1 wei": payment(1, "payments.example"), "transfer(address,uint256) 0.000256 USDC": tokens(common.Big256),
		"Typed data: Order 2 warnings": typed("a"), "Typed data: Order long": long,
		"Message":                             {Kind: rules.KindText, Principal: "x", Account: account(), Preimage: []byte("hi")},
		"New account":                         {Kind: rules.KindNewAccount, Principal: "x"},
		"Block of a sequencer":                {Kind: rules.KindBlockPayload, Principal: "x", Account: account(), Payload: new(rules.BlockPayload)},
		"Make a contract":                     {Kind: rules.KindTransaction, Principal: "x", Account: account(), ChainID: data.ChainID, Transaction: creation},
		"Call that was not decoded 1 warning": {Kind: rules.KindTransaction, Principal: "x", Account: account(), ChainID: data.ChainID, Transaction: call},
	} {
		row := h.rowOf(h.ask(req), "alice")
		if got := strings.TrimSpace(strings.Join(strings.Fields(row.Title+" "+row.Amount+" "+row.Warning), " ")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHistory(t *testing.T) {
	h := newHouse(t, nil)
	rejected, expired := h.ask(payment(1, "payments.example")), h.ask(payment(2, "payments.example"))
	alice := h.signedInBrowser("alice")
	if got := alice.vote(rejected, "alice", "reject", "not <b>agreed</b>"); got.status != http.StatusSeeOther {
		t.Fatal(got.status, got.text)
	}
	for path, want := range map[string]bool{
		"/history": true, "/history?state=rejected": true, "/history?state=signed": false, "/history?search=AGREED": true, "/history?search=else": false,
		"/history?page=2": false,
	} {
		text := alice.get(path).text
		if strings.Contains(text, rejected.Content.ID) != want || strings.Contains(text, expired.Content.ID) {
			t.Errorf("%s", path)
		}
	}
	if text := alice.get("/tickets/" + rejected.Content.ID).text; !strings.Contains(text, "not &lt;b&gt;agreed&lt;/b&gt;") || strings.Contains(text, `id="vote"`) {
		t.Error("the ticket does not tell the comment, or can be voted on")
	}
	if !slices.Equal(h.journal.votes(), []string{"alice false passkey"}) {
		t.Error(h.journal.votes())
	}
}
