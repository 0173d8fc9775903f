package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	attemptTimeout = 10 * time.Second
	maxAnswer      = 4 << 10 // bytes that are read of an answer
)

// message is what one receiver is told.
type message struct {
	id     string // the same for each attempt
	notice notice
}

// sender sends messages to one receiver, one after the other.
type sender struct {
	cfg    *Config
	hook   Hook
	client *http.Client
	log    *slog.Logger

	mu      sync.Mutex
	waiting []message
	dropped int
	more    chan struct{}
}

func newSender(cfg *Config, hook Hook, number int) *sender {
	return &sender{
		cfg: cfg, hook: hook, more: make(chan struct{}, 1),
		// The path of the URL may be a secret, as Slack's is.
		log: cfg.Logger.With("webhook", number, "host", hostOf(hook.URL)),
		client: &http.Client{
			Transport: cfg.Trip, Timeout: attemptTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// add has a message sent, in place of the oldest if too many wait.
func (s *sender) add(ctx context.Context, m message) {
	if len(s.hook.Events) > 0 && !slices.Contains(s.hook.Events, m.notice.Event) {
		return
	}
	s.mu.Lock()
	if len(s.waiting) >= maxWaiting {
		s.waiting = s.waiting[1:]
		s.dropped++
		s.cfg.told(ResultDropped)
	}
	s.waiting = append(s.waiting, m)
	dropped := s.dropped
	s.mu.Unlock()
	if dropped > 0 {
		s.log.WarnContext(ctx, "Messages not sent: too many wait", "dropped", dropped)
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// next returns the oldest message, and waits for one.
func (s *sender) next(ctx context.Context) (message, bool) {
	for {
		s.mu.Lock()
		if len(s.waiting) > 0 {
			m := s.waiting[0]
			s.waiting = s.waiting[1:]
			s.mu.Unlock()
			return m, true
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-ctx.Done():
			return message{}, false
		}
	}
}

// run sends until the context ends.
func (s *sender) run(ctx context.Context) {
	for {
		m, ok := s.next(ctx)
		if !ok || ctx.Err() != nil {
			break
		}
		if err := s.deliver(ctx, m); err != nil {
			s.log.ErrorContext(ctx, "Message not delivered", "ticket", m.notice.Ticket, "event", m.notice.Event, "error", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		s.log.WarnContext(ctx, "Messages not delivered: the signer ends", "messages", len(s.waiting))
	}
}

// deliver sends a message until it arrives, is refused for good, or is too old.
func (s *sender) deliver(ctx context.Context, m message) error {
	body, err := m.notice.body(s.hook.Template)
	if err != nil {
		return err
	}
	end := time.Now().Add(s.cfg.Last)
	for wait := s.cfg.First; ; wait = min(2*wait, s.cfg.Most) {
		again, err := s.attempt(ctx, m, body)
		if err == nil {
			s.cfg.told(ResultDelivered)
			return nil
		}
		pause := max(wait, min(again, s.cfg.Most))
		if again < 0 || time.Now().Add(pause).After(end) {
			s.cfg.told(ResultGivenUp)
			return err
		}
		s.cfg.told(ResultRetried)
		s.log.WarnContext(ctx, "Message not delivered: it is sent again", "ticket", m.notice.Ticket, "event", m.notice.Event, "in", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// final is for a message that is not sent again.
const final = -1

// attempt sends a message once. After an error it says how long to wait at least, or
// that another attempt would be in vain.
func (s *sender) attempt(ctx context.Context, m message, body []byte) (again time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.hook.URL, bytes.NewReader(body))
	if err != nil {
		return final, errors.New("the URL of the webhook can't be used")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "kvclef")
	request.Header.Set("X-Kvclef-Event", m.notice.Event)
	request.Header.Set("X-Kvclef-Delivery", m.id)
	if s.hook.Secret != nil {
		request.Header.Set("X-Kvclef-Signature", Signature(s.hook.Secret(), time.Now(), body))
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, withoutURL(err)
	}
	defer func() { _ = response.Body.Close() }()                         // it was read, or nobody cares
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // so that the connection serves again
	switch status := response.StatusCode; {
	case status < http.StatusMultipleChoices:
		return 0, nil
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return retryAfter(response), fmt.Errorf("it answers %s", response.Status)
	default:
		return final, fmt.Errorf("it answers %s", response.Status)
	}
}

// withoutURL returns an error of the client without the URL, whose path may be a
// secret.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// retryAfter is how long a receiver wants to be left alone, 0 if it does not say.
func retryAfter(response *http.Response) time.Duration {
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// Signature is the value of X-Kvclef-Signature: the time in seconds of Unix time, and
// the HMAC-SHA256, by the secret, of that number, a dot, and the body.
func Signature(secret string, now time.Time, body []byte) string {
	seconds := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
