package console

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules/approval"
)

func TestAddresses(t *testing.T) {
	for _, one := range []struct {
		origin, addr string
		want         []string
	}{
		{"http://localhost:8551", "127.0.0.1:8551", []string{"127.0.0.1:8551", "[::1]:8551"}},
		{"https://localhost:8551", "localhost:8551", []string{"127.0.0.1:8551", "[::1]:8551"}},
		{"http://localhost:8551", "[::1]:8551", []string{"[::1]:8551", "127.0.0.1:8551"}},
		{"http://localhost:8551", "127.0.0.2:8551", []string{"127.0.0.2:8551", "127.0.0.1:8551", "[::1]:8551"}},
		{"https://localhost:8551", "0.0.0.0:8551", []string{"0.0.0.0:8551"}},
		{"https://approvals.example", "127.0.0.1:8551", []string{"127.0.0.1:8551"}},
		{"http://127.0.0.1:8551", "127.0.0.1:8551", []string{"127.0.0.1:8551"}},
		{"http://localhost:8551", "nothing", []string{"nothing"}},
	} {
		if got := Addresses(one.origin, one.addr); !slices.Equal(got, one.want) {
			t.Errorf("%s at %s: %q, want %q", one.origin, one.addr, got, one.want)
		}
	}
}

// ipv6 returns a port of [::1] that is free, and who has it.
func ipv6(t *testing.T) (held net.Listener, port string) {
	t.Helper()
	held, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no [::1]:", err)
	}
	_, port, err = net.SplitHostPort(held.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return held, port
}

// local returns a console at localhost.
func local(t *testing.T, port string) *Server {
	t.Helper()
	s, err := New(Config{
		Tickets: new(approval.Queue), People: map[string]Person{"alice": {}}, Passkeys: newKeys(),
		Origin: "http://localhost:" + port, Addr: "127.0.0.1:" + port, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLocalhostIsTheConsoleAlone: browsers look for localhost at [::1] before 127.0.0.1.
// Nobody else can be there, and the console is at both.
func TestLocalhostIsTheConsoleAlone(t *testing.T) {
	held, port := ipv6(t)
	s := local(t, port)
	err := s.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "opening console listener [::1]:"+port+", where browsers look for http://localhost:"+port+" too: ") {
		t.Fatalf("with another at [::1]: %v", err)
	}
	if free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+port); err != nil {
		t.Errorf("the other address is still held: %v", err)
	} else if err := free.Close(); err != nil {
		t.Error(err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "[::1]:"+port); err == nil {
		t.Error("another program has [::1]", other.Close())
	}
	for _, host := range []string{"127.0.0.1", "::1", "127.0.0.1"} {
		asks := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
			},
		}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:"+port+"/signin", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := asks.Do(r)
		if err != nil {
			t.Fatal(host, err)
		}
		page, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(page), "Sign in") {
			t.Errorf("%s: %s, %v", host, response.Status, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	for _, addr := range []string{"127.0.0.1:" + port, "[::1]:" + port} {
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr); err == nil {
			t.Errorf("%s still listens after the end: %v", addr, conn.Close())
		}
	}
}
