package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// board are tickets that become what a test wants.
type board struct {
	mu       sync.Mutex
	tickets  map[string]*approval.Ticket
	watchers map[int]chan approval.Change
	watched  int
}

func (b *board) Ticket(id string) (*approval.Ticket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.tickets[id]; t != nil {
		return t, nil
	}
	return nil, approval.ErrUnknown
}

func (b *board) Tickets() []*approval.Ticket {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*approval.Ticket
	for _, t := range b.tickets {
		all = append(all, t)
	}
	return all
}

func (b *board) Watch(most int) (<-chan approval.Change, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watched++
	n, changes := b.watched, make(chan approval.Change, most)
	b.watchers[n] = changes
	return changes, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, n)
	}
}

// become makes a ticket another. Without telling, watchers are closed as those that
// were too slow.
func (b *board) become(id string, state approval.State, tell bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	content := approval.Content{
		ID: id, Rule: "large", Reason: "finance must approve", Deadline: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Quorums: []rules.Quorum{{Group: "finance", Threshold: 2, Of: []string{"alice", "bob"}}},
		Subject: json.RawMessage(`{"kind":"transaction","principal":"<!channel> *pay*","account":"0x71562b71999873DB5b286dF957af199Ec94617F7","key":"k","chain_id":"1",
			"transaction":{"to":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","value":"1500000000000000001","data":"0xdeadbeef"},
			"call":{"method":"transfer(address,uint256)"}}`),
	}
	b.tickets[id] = &approval.Ticket{Content: content, State: state, Votes: []approval.Vote{{Person: "alice", Approve: state != approval.StateRejected}}}
	for n, watcher := range b.watchers {
		if tell {
			watcher <- approval.Change{ID: id, State: state}
			continue
		}
		close(watcher)
		delete(b.watchers, n)
	}
}

// receiver is what webhooks are sent to.
type receiver struct {
	*httptest.Server
	got chan delivery

	mu      sync.Mutex
	answers []int // of the next attempts; then 200
}

type delivery struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, answers ...int) *receiver {
	t.Helper()
	r := &receiver{got: make(chan delivery, 100), answers: answers}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		status := http.StatusOK
		if len(r.answers) > 0 {
			status, r.answers = r.answers[0], r.answers[1:]
		}
		r.mu.Unlock()
		w.Header().Set("Location", "https://elsewhere.example/")
		w.WriteHeader(status)
		r.got <- delivery{req.Header, body}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) delivery {
	t.Helper()
	select {
	case d := <-r.got:
		return d
	case <-time.After(time.Minute):
		t.Fatal("nothing arrives")
		return delivery{}
	}
}

// start runs webhooks for as long as the test runs, and returns their log.
func start(t *testing.T, b *board, hooks ...Hook) *syncBuffer {
	t.Helper()
	log := new(syncBuffer)
	trip := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	trip.TLSClientConfig = httptestConfig(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{
			Tickets: b, Hooks: hooks, Logger: slog.New(slog.NewTextHandler(log, nil)), First: time.Millisecond, Most: 5 * time.Millisecond, Trip: trip,
			Link: func(id string) string { return "https://approvals.example/tickets/" + id },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		trip.CloseIdleConnections()
	})
	for range 1000 {
		b.mu.Lock()
		ready := len(b.watchers) > 0
		b.mu.Unlock()
		if ready {
			return log
		}
		<-time.After(time.Millisecond)
	}
	t.Fatal("nobody watches")
	return nil
}

func newBoard() *board {
	return &board{tickets: make(map[string]*approval.Ticket), watchers: make(map[int]chan approval.Change)}
}

// TestDelivery: what happens is told once, signed, in order, and again after a
// failure; also what happened while nobody watched.
func TestDelivery(t *testing.T) {
	b, r := newBoard(), newReceiver(t, 503, 429, 200)
	b.become("old", approval.StateOpen, true)
	log := start(t, b, Hook{URL: r.URL + "/services/T0/SECRETPATH", Secret: func() string { return "hush" }, Template: "json"})
	b.become("one", approval.StateOpen, true)
	first := r.next(t)
	for range 2 {
		again := r.next(t)
		if again.header.Get("X-Kvclef-Delivery") != first.header.Get("X-Kvclef-Delivery") || !bytes.Equal(again.body, first.body) {
			t.Error("an attempt is another message")
		}
	}
	b.become("one", approval.StateApproved, true)
	second := r.next(t)
	b.become("one", approval.StateUsed, true)
	b.become("one", approval.StateSigned, true)
	b.become("two", approval.StateExpired, false)
	b.become("old", approval.StateRejected, false)
	want := []string{"opened one open", "decided one approved", "expired two expired", "decided old rejected"}
	var got []string
	for i := range want {
		var d delivery
		switch i {
		case 0:
			d = first
		case 1:
			d = second
		default:
			d = r.next(t)
		}
		var n notice
		if err := json.Unmarshal(d.body, &n); err != nil {
			t.Fatal(err)
		}
		got = append(got, n.Event+" "+n.Ticket+" "+n.State)
		var seconds int64
		if _, err := fmt.Sscanf(d.header.Get("X-Kvclef-Signature"), "t=%d,", &seconds); err != nil {
			t.Fatal(err)
		}
		if sent := d.header.Get("X-Kvclef-Signature"); sent != Signature("hush", time.Unix(seconds, 0), d.body) || sent == Signature("hushed", time.Unix(seconds, 0), d.body) {
			t.Errorf("signature %s", sent)
		}
		if bytes.Contains(d.body, []byte("deadbeef")) {
			t.Error("call data is told")
		}
	}
	if fmt.Sprint(got[:2]) != fmt.Sprint(want[:2]) || !strings.Contains(fmt.Sprint(got), want[2]) || !strings.Contains(fmt.Sprint(got), want[3]) {
		t.Errorf("told %v, want %v", got, want)
	}
	if text := log.String(); strings.Contains(text, "SECRETPATH") || strings.Contains(text, "hush") || !strings.Contains(text, "it is sent again") {
		t.Errorf("log %s", text)
	}
}

// TestSecretOfItsTime: each message is signed with the secret as it stands then.
func TestSecretOfItsTime(t *testing.T) {
	b, r := newBoard(), newReceiver(t)
	var secret atomic.Value
	secret.Store("")
	start(t, b, Hook{URL: r.URL, Secret: func() string { return secret.Load().(string) }})
	for _, current := range []string{"first", "second"} {
		secret.Store(current)
		b.become(current, approval.StateOpen, true)
		d := r.next(t)
		var seconds int64
		if _, err := fmt.Sscanf(d.header.Get("X-Kvclef-Signature"), "t=%d,", &seconds); err != nil {
			t.Fatal(err)
		}
		if sent := d.header.Get("X-Kvclef-Signature"); sent != Signature(current, time.Unix(seconds, 0), d.body) {
			t.Errorf("%s is not by the secret %q", sent, current)
		}
	}
}

// TestFinal: a refusal and a redirection are not tried again, and a receiver that is
// slow holds up no other.
func TestFinal(t *testing.T) {
	b, refusing, fine := newBoard(), newReceiver(t, 404, 302), newReceiver(t)
	slow := make(chan struct{})
	hanging := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-slow:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(hanging.Close)
	defer close(slow)
	log := start(t, b, Hook{URL: hanging.URL}, Hook{URL: refusing.URL, Events: []string{EventOpened}}, Hook{URL: fine.URL})
	for _, id := range []string{"one", "two", "three"} {
		b.become(id, approval.StateOpen, true)
	}
	for range 3 {
		fine.next(t)
	}
	b.become("one", approval.StateRejected, true)
	fine.next(t)
	for _, id := range []string{"one", "two", "three"} {
		if d := refusing.next(t); !bytes.Contains(d.body, []byte(`"ticket":"`+id+`"`)) {
			t.Errorf("%s, want ticket %s", d.body, id)
		}
	}
	if text := log.String(); strings.Count(text, "Message not delivered\"") != 2 {
		t.Errorf("log %s", text)
	}
}

// TestDropped: the oldest messages give way when too many wait.
func TestDropped(t *testing.T) {
	s := newSender(&Config{Logger: slog.New(slog.DiscardHandler)}, Hook{URL: "https://a.example"}, 0)
	for i := range maxWaiting + 3 {
		s.add(t.Context(), message{id: fmt.Sprint(i)})
	}
	if len(s.waiting) != maxWaiting || s.waiting[0].id != "3" || s.dropped != 3 {
		t.Errorf("%d wait from %s on, %d dropped", len(s.waiting), s.waiting[0].id, s.dropped)
	}
}

// TestTemplates: texts that a caller chose are no markup.
func TestTemplates(t *testing.T) {
	b := newBoard()
	b.become("one", approval.StateOpen, true)
	n := noticeOf(EventOpened, b.tickets["one"], "https://approvals.example/tickets/one")
	for template, want := range map[string]string{
		"slack": `{"type":"plain_text","text":"Asked by: \u003c!channel\u003e *pay*"}`,
		"teams": `{"text":"\u003c!channel\u003e *pay*","type":"TextRun"}`,
		"json":  `"value":"1500000000000000001"`,
	} {
		body, err := n.body(template)
		if err != nil || !json.Valid(body) {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(body), `"emoji":false,`, "")
		text = strings.ReplaceAll(text, `"text":"Asked by: \u003c!channel\u003e *pay*","type":"plain_text"`, `"type":"plain_text","text":"Asked by: \u003c!channel\u003e *pay*"`)
		if !strings.Contains(text, want) || strings.Contains(text, "mrkdwn") || strings.Contains(text, "TextBlock\"") && !strings.Contains(text, "RichTextBlock") {
			t.Errorf("%s: %s", template, text)
		}
	}
	if got := etherOf("1500000000000000001"); got != "1.500000000000000001 ether" {
		t.Error(got)
	}
	for wei, want := range map[string]string{"0": "0 ether", "1": "0.000000000000000001 ether", "x": "", "1000000000000000000": "1 ether"} {
		if got := etherOf(wei); got != want {
			t.Errorf("%s wei is %q, want %q", wei, got, want)
		}
	}
}

// TestWithoutURL: an error names no path.
func TestWithoutURL(t *testing.T) {
	s := newSender(&Config{Logger: slog.New(slog.DiscardHandler), Trip: http.DefaultTransport}, Hook{URL: "https://127.0.0.1:1/SECRETPATH"}, 0)
	_, err := s.attempt(t.Context(), message{}, nil)
	if err == nil || strings.Contains(err.Error(), "SECRETPATH") || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
