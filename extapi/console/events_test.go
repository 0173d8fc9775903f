package console

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules/approval"
)

// event is one that a page was told.
type event struct{ name, data string }

// listen opens a stream of events. The channel is closed when it ends.
func (b *browser) listen(ctx context.Context) (<-chan event, *http.Response) {
	b.h.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.h.cfg.Origin+"/events", http.NoBody)
	if err != nil {
		b.h.t.Fatal(err)
	}
	client := *b.Client
	client.Timeout = 0
	response, err := client.Do(r)
	if err != nil {
		b.h.t.Fatal(err)
	}
	events := make(chan event)
	go func() {
		defer close(events)
		defer func() { _ = response.Body.Close() }()
		lines := bufio.NewScanner(response.Body)
		var e event
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "event: "):
				e.name = line[7:]
			case strings.HasPrefix(line, "data: "):
				e.data = line[6:]
			case line == "":
				select {
				case events <- e:
				case <-ctx.Done():
					return
				}
				e = event{}
			}
		}
	}()
	return events, response
}

// next returns the next event of a kind.
func next(t *testing.T, events <-chan event, name string) event {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("the stream ended before %s", name)
			}
			if e.name == name {
				return e
			}
		case <-late.C:
			t.Fatalf("no %s came", name)
		}
	}
}

// ends waits for the end of a stream.
func ends(t *testing.T, events <-chan event) {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for {
		select {
		case _, open := <-events:
			if !open {
				return
			}
		case <-late.C:
			t.Fatal("the stream does not end")
		}
	}
}

// TestPagesAreTold that a ticket opens, is voted on and is decided.
func TestPagesAreTold(t *testing.T) {
	h := newHouse(t, nil)
	before := h.ask(payment(1, "payments.example"))
	alice, bob := h.signedInBrowser("alice"), h.signedInBrowser("bob")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, response := alice.listen(ctx)
	if got := response.Header; got.Get("Content-Type") != "text/event-stream; charset=utf-8" || got.Get("Cache-Control") != "no-store" || got.Get("Content-Security-Policy") != policy {
		t.Errorf("%v", got)
	}
	if e := next(t, events, "marks"); e.data != `{"marks":"`+before.Content.ID+`:open-0"}` || !strings.Contains(alice.get("/").text, `data-marks="`+before.Content.ID+`:open-0"`) {
		t.Errorf("%q", e.data)
	}
	want := func(id, state, group string, votes string) {
		t.Helper()
		var got row
		if e := next(t, events, "ticket"); json.Unmarshal([]byte(e.data), &got) != nil || got.ID != id || got.State != state || got.Group != group || got.Stamp != state+"-"+votes {
			t.Errorf("%s", e.data)
		}
	}
	ticket := h.ask(payment(2, "payments.example"))
	want(ticket.Content.ID, "open", groupYours, "0")
	alice.vote(ticket, "alice", "approve", "")
	want(ticket.Content.ID, "open", groupOthers, "1")
	bob.vote(ticket, "bob", "approve", "")
	want(ticket.Content.ID, "approved", groupEnded, "2")
	cancel()
	ends(t, events)
}

// TestStreamsEnd with their session, and with the console.
func TestStreamsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		act  func(h *house, b *browser)
		say  bool
		beat time.Duration
	}{
		"signed out": {func(_ *house, b *browser) { b.post("/signout", url.Values{"token": {b.token()}}) }, true, time.Hour},
		"idle":       {func(h *house, _ *browser) { h.clock.pass(30 * time.Minute) }, true, 10 * time.Millisecond},
		"shutdown": {func(h *house, _ *browser) {
			if err := h.Shutdown(h.t.Context()); err != nil {
				h.t.Error(err)
			}
		}, false, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(c *Config) { c.Heartbeat = tt.beat })
			b := h.signedInBrowser("alice")
			events, _ := b.listen(t.Context())
			next(t, events, "marks")
			done := make(chan struct{})
			go func() { defer close(done); tt.act(h, b) }()
			if tt.say {
				next(t, events, "ended")
			}
			ends(t, events)
			<-done
		})
	}
}

// TestStreamsGoOn for longer than a request may take to come.
func TestStreamsGoOn(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.Heartbeat, c.ReadTimeout = 10*time.Millisecond, 100*time.Millisecond })
	events, _ := h.signedInBrowser("alice").listen(t.Context())
	for range 50 {
		next(t, events, "beat")
	}
}

// TestStreamsAreBounded: each session has a few, and all together some.
func TestStreamsAreBounded(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.MaxStreams = maxStreamsEach + 2 })
	alice, bob := h.signedInBrowser("alice"), h.signedInBrowser("bob")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var first <-chan event
	stop := func() {}
	for i := range maxStreamsEach {
		one, end := context.WithCancel(ctx)
		defer end()
		events, response := alice.listen(one)
		if next(t, events, "marks"); response.StatusCode != http.StatusOK {
			t.Fatal(response.Status)
		}
		if i == 0 {
			first, stop = events, end
		}
	}
	if got := alice.get("/events"); got.status != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", got.status)
	}
	for range 2 {
		events, _ := bob.listen(ctx)
		next(t, events, "marks")
	}
	if got := bob.get("/events"); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("too many of all: %d", got.status)
	}
	stop()
	ends(t, first)
	for { // the place is given back soon
		events, response := bob.listen(ctx)
		if response.StatusCode == http.StatusOK {
			next(t, events, "marks")
			return
		}
		ends(t, events)
	}
}

// slow are tickets whose changes come faster than they are read.
type slow struct{ *approval.Queue }

func (slow) Watch(int) (changes <-chan approval.Change, stop func()) {
	closed := make(chan approval.Change)
	close(closed)
	return closed, func() {}
}

func TestASlowPageComesBack(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		queue, ok := c.Tickets.(*approval.Queue)
		if !ok {
			t.Fatal("no queue")
		}
		c.Tickets = slow{queue}
	})
	events, _ := h.signedInBrowser("alice").listen(t.Context())
	next(t, events, "again")
	ends(t, events)
}
