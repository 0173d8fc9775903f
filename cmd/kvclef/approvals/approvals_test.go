//go:build linux || darwin

package approvals

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// patience bounds what a test waits for. It is reached only by a failure.
const patience = time.Minute

// house is a queue with a socket, on a clock that is set by hand.
type house struct {
	*approval.Queue
	path   string
	person string // that the user of this process is
	close  func() // of the server

	mu     sync.Mutex
	now    time.Time
	events []approval.Event
}

func (h *house) Record(_ context.Context, event approval.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event)
	return nil
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// refused returns what the journal says of votes that did not count.
func (h *house) refused() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, event := range h.events {
		if event.What == approval.WhatVote && event.Error != "" {
			all = append(all, event.Ballot.Person+": "+event.Error)
		}
	}
	return all
}

func open(t *testing.T, change func(*Config)) *house {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	h := &house{path: filepath.Join(t.TempDir(), "a.sock"), person: "alice", now: time.Now().UTC()}
	var err error
	h.Queue, err = approval.New(t.Context(), approval.Config{
		Records: memory.NewRecords(), Ledger: memory.NewLedger(h.clock), Journal: h, Logger: slog.New(slog.DiscardHandler), Clock: h.clock,
		SamePerson: func(principal, _, person string) bool { return principal == person },
	})
	if err != nil {
		t.Fatal(err)
	}
	me := uint32(os.Getuid())
	cfg := Config{Path: h.path, Tickets: h.Queue, Logger: slog.New(slog.DiscardHandler), Person: func(uid uint32) string {
		if uid == me {
			return h.person
		}
		return ""
	}, Names: func(*approval.Ticket) (sheet.Names, map[string]string) {
		return sheet.Names{"0x": {{Name: "named"}}}, map[string]string{"1": "main"}
	}}
	if change != nil {
		change(&cfg)
	}
	server, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.close = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	t.Cleanup(func() {
		h.close()
		if _, err := os.Lstat(cfg.Path); !os.IsNotExist(err) {
			t.Errorf("the socket is left: %v", err)
		}
	})
	return h
}

// ask opens a ticket by a request of a principal, and returns its id.
func (h *house) ask(t *testing.T, principal string, wei int64) string {
	t.Helper()
	to := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	tx := types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2), Gas: 21000, To: &to, Value: big.NewInt(wei)})
	req := &rules.Request{
		ID: "r1", Kind: rules.KindTransaction, Method: "account_signTransaction", Principal: principal, ChainID: tx.ChainId(), Transaction: tx,
		Account: rules.Account{Address: to, Vault: "v", Key: "k", Version: "1"}, Digest: types.LatestSignerForChainID(tx.ChainId()).Hash(tx),
	}
	question, err := h.Ask(t.Context(), req, rules.Decision{Verdict: rules.Refer, Rule: "large", Reason: "why", Quorums: []*rules.Quorum{
		{Group: "finance", Threshold: 2, Of: []string{"alice", "bob", "carol"}, Expires: time.Hour},
	}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	decision, _, err := question.Await(t.Context())
	if err != nil || decision.Ticket == "" {
		t.Fatalf("%+v, %v", decision, err)
	}
	return decision.Ticket
}

func (h *house) client(t *testing.T) *Client {
	t.Helper()
	client, err := Connect(t.Context(), h.path)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestVoting(t *testing.T) {
	h := open(t, nil)
	id, other := h.ask(t, "local", 1), h.ask(t, "local", 2)
	client := h.client(t)
	listing, err := client.List(t.Context(), true, 1)
	if err != nil || listing.You != "alice" || len(listing.Tickets) != 1 || !listing.More || !listing.Tickets[0].Asked || listing.Tickets[0].Missing != 2 {
		t.Fatalf("%+v, %v", listing, err)
	}
	shown, err := client.Show(t.Context(), id)
	if err != nil || shown.Ticket.Content.ID != id || shown.View.Chains["1"] != "main" || shown.View.You != "alice" {
		t.Fatalf("%+v, %v", shown, err)
	}
	vote := Vote{Hash: shown.Ticket.Hash.Hex(), Approve: true, Comment: "fine"}
	after, err := client.Vote(t.Context(), id, vote)
	if err != nil || after.Ticket.State != approval.StateOpen || after.Ticket.Missing()[0] != 1 || after.Ticket.Votes[0].Way != Way || after.Ticket.Votes[0].Comment != "fine" {
		t.Fatalf("%+v, %v", after, err)
	}
	h.person = "bob"
	if after, err = client.Vote(t.Context(), id, vote); err != nil || after.Ticket.State != approval.StateApproved {
		t.Fatalf("%+v, %v", after, err)
	}
	shown, err = client.Show(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if after, err = client.Vote(t.Context(), other, Vote{Hash: shown.Ticket.Hash.Hex()}); err != nil || after.Ticket.State != approval.StateRejected {
		t.Fatalf("%+v, %v", after, err)
	}
	if listing, err = client.List(t.Context(), false, 1000); err != nil || len(listing.Tickets) != 2 || listing.More {
		t.Errorf("%+v, %v", listing, err)
	}
	if listing, err = client.List(t.Context(), true, 1000); err != nil || len(listing.Tickets) != 0 {
		t.Errorf("%+v, %v", listing, err)
	}
}

// TestVotesThatDoNotCount: each is refused with its reason, changes nothing, and is
// in the journal.
func TestVotesThatDoNotCount(t *testing.T) {
	h := open(t, nil)
	client := h.client(t)
	for _, c := range []struct {
		name, person, requester string
		prepare                 func(id, hash string)
		id, hash                string // "": the ticket's
		want                    string
	}{
		{name: "unknown", id: "aaaaaaaaaaaaaaaa", want: "there is no such ticket"},
		{name: "stale", hash: "0x" + strings.Repeat("1", 64), want: "not the one that was shown"},
		{name: "second", prepare: func(id, hash string) { _, _ = client.Vote(t.Context(), id, Vote{Hash: hash, Approve: true}) }, want: "has voted already"},
		{name: "decided", prepare: func(id, hash string) { _, _ = client.Vote(t.Context(), id, Vote{Hash: hash}) }, want: "the ticket is rejected since"},
		{name: "requester", requester: "alice", want: "who asks can't approve it as well"},
		{name: "not asked", person: "dave", want: "not among those who are asked"},
		{name: "stranger", person: "-", want: "is nobody who may vote: add it to a person of approvals.people"},
		{name: "expired", prepare: func(string, string) { h.pass(2 * time.Hour) }, want: "the ticket is expired since"},
	} {
		h.person = "alice"
		principal := "local"
		if c.requester != "" {
			principal = c.requester
		}
		id := h.ask(t, principal, int64(len(h.events)+1))
		shown, err := client.Show(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		hash := shown.Ticket.Hash.Hex()
		if c.prepare != nil {
			c.prepare(id, hash)
		}
		switch c.person {
		case "":
		case "-":
			h.person = ""
		default:
			h.person = c.person
		}
		before, err := h.Ticket(id)
		if err != nil {
			t.Fatal(err)
		}
		known := len(h.refused())
		vote := Vote{Hash: hash, Approve: true}
		if c.hash != "" {
			vote.Hash = c.hash
		}
		voted := id
		if c.id != "" {
			voted = c.id
		}
		if _, err := client.Vote(t.Context(), voted, vote); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		after, err := h.Ticket(id)
		if err != nil || len(after.Votes) != len(before.Votes) || after.State != before.State {
			t.Errorf("%s: it changed the ticket: %+v, %v", c.name, after, err)
		}
		if refused := h.refused(); len(refused) != known+1 {
			t.Errorf("%s: the journal has %d entries for it: %v", c.name, len(refused)-known, refused)
		}
	}
}

// TestBadRequests: what is no vote reaches nobody.
func TestBadRequests(t *testing.T) {
	h := open(t, nil)
	id := h.ask(t, "local", 1)
	hash := `"0x` + strings.Repeat("1", 64) + `"`
	post := func(path, body string) (int, string) {
		transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.path)
		}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://approvals"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var text bytes.Buffer
		_, _ = text.ReadFrom(response.Body)
		return response.StatusCode, text.String()
	}
	vote := pathTickets + "/" + id + "/vote"
	for body, want := range map[string]string{
		``:                                     "decoding the vote",
		`{}`:                                   "not the hash of a ticket",
		`{"hash":"0x12"}`:                      "not the hash of a ticket",
		`{"hash":` + hash + `,"person":"bob"}`: "unknown field",
		`{"hash":` + hash + `}{}`:              "more follows it",
		`{"hash":` + hash + `,"comment":"` + strings.Repeat("x", maxBody) + `"}`: "too large",
		`{"hash":` + hash + `,"comment":"` + strings.Repeat("x", 1001) + `"}`:    "may have 1000",
		`{"hash":` + hash + `,"comment":"a\u202eb"}`:                             "can't be shown",
	} {
		if status, text := post(vote, body); status < 400 || status >= 500 || !strings.Contains(text, want) {
			t.Errorf("%.60s: %d %s, want %q", body, status, text, want)
		}
	}
	for _, path := range []string{"/", "/v1/tickets/x/y", "/v1/backup"} {
		if status, _ := post(path, "{}"); status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", path, status)
		}
	}
	if refused := h.refused(); len(refused) != 0 {
		t.Errorf("the journal has %v", refused)
	}
	if _, err := h.client(t).Show(t.Context(), "aaaaaaaaaaaaaaaa"); err == nil {
		t.Error("an unknown ticket is shown")
	}
}

// TestWatching: a watcher is told of what happens, and is let go at the end.
func TestWatching(t *testing.T) {
	h := open(t, nil)
	client := h.client(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	notices := make(chan Notice, 10)
	done := make(chan error, 1)
	watching, stop := context.WithCancel(ctx)
	go func() { done <- client.Watch(watching, func(n Notice) error { notices <- n; return nil }) }()
	if first := <-notices; first.ID != "" {
		t.Fatalf("the first is %+v", first)
	}
	id := h.ask(t, "local", 1)
	if n := <-notices; n.ID != id || n.Before != "" || n.State != approval.StateOpen {
		t.Errorf("told %+v", n)
	}
	shown, err := client.Show(ctx, id)
	if err == nil {
		_, err = client.Vote(ctx, id, Vote{Hash: shown.Ticket.Hash.Hex(), Approve: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := <-notices; n.ID != id || n.Votes != 1 || n.State != approval.StateOpen {
		t.Errorf("told %+v", n)
	}
	stop()
	if err := <-done; err == nil {
		t.Error("no error when the watcher leaves")
	}
	// Another one is still there when the server closes.
	go func() { done <- client.Watch(ctx, func(n Notice) error { notices <- n; return nil }) }()
	<-notices
	h.close()
	if err := <-done; err != nil {
		t.Errorf("when the signer ends: %v", err)
	}
}

// TestTamperedTickets: a client shows nothing but what the hash is of.
func TestTamperedTickets(t *testing.T) {
	h := open(t, nil)
	id := h.ask(t, "local", 1)
	shown, err := h.client(t).Show(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*View){
		"text":   func(v *View) { v.Text = strings.Replace(v.Text, `"large"`, `"small"`, 1) },
		"hash":   func(v *View) { v.Hash = "0x" + strings.Repeat("1", 64) },
		"member": func(v *View) { *v = hashed(v, strings.Replace(v.Text, `"rule"`, `"more":1,"rule"`, 1)) },
		"about":  func(v *View) { *v = hashed(v, strings.Replace(v.Text, `"kind"`, `"more":1,"kind"`, 1)) },
		"other":  func(v *View) { *v = hashed(v, strings.Replace(v.Text, id, "aaaaaaaaaaaaaaaa", 1)) },
		"tail":   func(v *View) { *v = hashed(v, v.Text+"{}") },
	} {
		forged := Shown{View: shown.View}
		change(&forged.View)
		if err := forged.open(id); err == nil || forged.Ticket != nil {
			t.Errorf("%s: it is shown", name)
		}
	}
}

// hashed is a view whose hash is of its text.
func hashed(v *View, text string) View {
	forged := *v
	forged.Text = text
	forged.Hash = common.Hash(sha256.Sum256([]byte(text))).Hex()
	return forged
}

func FuzzParseVote(f *testing.F) {
	f.Add([]byte(`{"hash":"0x` + strings.Repeat("1", 64) + `","approve":true,"comment":"x"}`))
	f.Add([]byte(`{"hash":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		vote, hash, err := parseVote(body)
		if err == nil && !strings.EqualFold(hash.Hex(), vote.Hash) {
			t.Errorf("%s is not %s", hash, vote.Hash)
		}
		if err == nil && !json.Valid(body) {
			t.Errorf("%q is no JSON", body)
		}
	})
}
