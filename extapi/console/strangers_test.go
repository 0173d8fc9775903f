package console

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// dial opens a connection of a stranger.
func (h *house) dial() net.Conn {
	h.t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: h.ca.Pool(), ServerName: "approvals.example", MinVersion: tls.VersionTLS13}}
	conn, err := dialer.DialContext(h.t.Context(), "tcp", h.Addr())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// halfForm begins a form that never ends.
const halfForm = "POST /signin/passkey HTTP/1.1\r\nHost: approvals.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n"

// TestStrangersKeepNobodyOut: those who have not signed in take each other's places, however
// slow their forms are, and never those of people who have.
func TestStrangersKeepNobodyOut(t *testing.T) {
	const places = 8
	h := newHouse(t, func(cfg *Config) { cfg.MaxConns, cfg.ReadTimeout, cfg.formTime = places, time.Hour, time.Hour })
	alice := h.signedInBrowser("alice")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, testOrigin+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	alice.Timeout = 0
	stream, err := alice.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	for range 2 * places {
		if _, err := fmt.Fprint(h.dial(), halfForm); err != nil {
			t.Fatal(err)
		}
	}
	bob := h.signedInBrowser("bob")
	if got := bob.get("/"); got.status != http.StatusOK {
		t.Errorf("bob gets %d", got.status)
	}
	h.ask(payment(1, "payments.example"))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "event: ticket") {
			return
		}
	}
	t.Errorf("alice's page is not told any more: %v", lines.Err())
}

// TestStrangersFormsAreShort: who has not signed in has less time to send a form.
func TestStrangersFormsAreShort(t *testing.T) {
	h := newHouse(t, func(cfg *Config) { cfg.ReadTimeout, cfg.formTime = time.Hour, 50*time.Millisecond })
	conn := h.dial()
	if _, err := fmt.Fprint(conn, halfForm); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _ = got.Body.Close(); got.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d", got.StatusCode)
	}
}

// TestIssuerIsAskedOnce: sign-ins don't wait for each other, and none longer than its browser.
func TestIssuerIsAskedOnce(t *testing.T) {
	var d discovery
	asked, release := make(chan struct{}, 10), make(chan error)
	ask := func(ctx context.Context) (*oidc.Provider, error) {
		asked <- struct{}{}
		select {
		case err := <-release:
			return new(oidc.Provider), err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	ctx, hangUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	told := make(chan error, 10)
	for range 10 {
		all.Go(func() {
			_, err := d.find(ctx, ask)
			told <- err
		})
	}
	<-asked
	hangUp()
	all.Wait()
	for range 10 {
		if err := <-told; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	for range 5 { // that question is still on its way
		all.Go(func() {
			provider, err := d.find(t.Context(), ask)
			if provider == nil {
				err = errors.New("nothing is known")
			}
			told <- err
		})
	}
	release <- nil
	all.Wait()
	for range 5 {
		if err := <-told; err != nil {
			t.Errorf("got %v", err)
		}
	}
	if len(asked) != 0 {
		t.Errorf("it was asked %d times more", len(asked))
	}
	d.close()

	var other discovery // one that is not answered ends with the console
	all.Go(func() {
		_, err := other.find(t.Context(), ask)
		told <- err
	})
	<-asked
	other.close()
	if err := <-told; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := other.find(t.Context(), ask); !errors.Is(err, errStopping) {
		t.Errorf("got %v", err)
	}
	all.Wait()
}
