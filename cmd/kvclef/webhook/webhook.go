// Package webhook tells others of tickets: that one was opened, decided, or has
// expired. Each message goes to every configured URL, in order, signed, and again
// when it fails.
//
// It never sends call data, messages or secrets, never follows where an answer
// points to, and never holds up the signer: a receiver that is slow loses messages,
// the oldest first, and so does one that is away for longer than a day. What was not
// delivered when the signer ends is lost.
package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/rules/approval"
)

// The events.
const (
	EventOpened  = "opened"
	EventDecided = "decided" // approved or rejected
	EventExpired = "expired" // or lapsed: approved, and nobody came for the signature; or void
)

// What comes of an attempt to deliver a message.
const (
	ResultDelivered = "delivered"
	ResultRetried   = "retried"  // it failed, and is made again
	ResultGivenUp   = "given_up" // it failed for good
	ResultDropped   = "dropped"  // it was never made: too many messages waited
)

// Results returns what may come of an attempt.
func Results() []string {
	return []string{ResultDelivered, ResultRetried, ResultGivenUp, ResultDropped}
}

// Bounds of what waits.
const (
	maxChanges = 256  // that were not looked at
	maxWaiting = 1000 // messages for one receiver
)

// Tickets is where tickets are.
type Tickets interface {
	Ticket(id string) (*approval.Ticket, error)
	Tickets() []*approval.Ticket
	Watch(most int) (changes <-chan approval.Change, stop func())
}

// Hook is one receiver.
type Hook struct {
	URL      string
	Secret   func() string // signs what is sent, each time as it stands then; nil: nothing is signed
	Template string        // "json", "slack" or "teams"
	Events   []string      // none: all
}

// Format names the host alone, whatever the verb: the secret is one, and the path of
// the URL may be.
func (h Hook) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "webhook at "+hostOf(h.URL)) }

// LogValue names the host alone.
func (h Hook) LogValue() slog.Value { return slog.StringValue("webhook at " + hostOf(h.URL)) }

// Config is what messages are made of and where they go.
type Config struct {
	Tickets Tickets
	Hooks   []Hook
	Link    func(ticket string) string // to the ticket's page, "" if there is none
	Logger  *slog.Logger
	Told    func(result string) // what came of each attempt, one of [Results]; nil: nobody wants to know

	First time.Duration     // until a message is sent again; it doubles each time. Default: 1 second
	Most  time.Duration     // between two attempts. Default: 5 minutes
	Last  time.Duration     // after which it is given up. Default: 24 hours
	Trip  http.RoundTripper // default: as http.DefaultTransport
}

// Run sends messages until the context ends.
func Run(ctx context.Context, cfg Config) error {
	cfg.complete()
	senders := make([]*sender, len(cfg.Hooks))
	group, ctx := errgroup.WithContext(ctx)
	for i := range cfg.Hooks {
		senders[i] = newSender(&cfg, cfg.Hooks[i], i)
		group.Go(func() error { senders[i].run(ctx); return nil })
	}
	group.Go(func() error {
		newObserver(cfg.Tickets).run(ctx, func(event string, ticket *approval.Ticket) {
			n := noticeOf(event, ticket, cfg.Link(ticket.Content.ID))
			id := rand.Text()
			for _, s := range senders {
				s.add(ctx, message{id, n})
			}
		})
		return nil
	})
	return group.Wait()
}

// told counts what came of an attempt.
func (c *Config) told(result string) {
	if c.Told != nil {
		c.Told(result)
	}
}

func (c *Config) complete() {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&c.First, time.Second}, {&c.Most, 5 * time.Minute}, {&c.Last, 24 * time.Hour}} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if c.Link == nil {
		c.Link = func(string) string { return "" }
	}
	if c.Trip == nil {
		c.Trip = http.DefaultTransport
	}
}
