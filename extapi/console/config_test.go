package console

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules/approval"
)

func TestConfigsThatAreRefused(t *testing.T) {
	keeper := newHouse(t, nil).cfg.TLS
	people := map[string]Person{"alice": {}}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"nobody":               {func(c *Config) { c.People = nil }, "people who vote"},
		"no tickets":           {func(c *Config) { c.Tickets = nil }, "needs tickets"},
		"no way in":            {func(c *Config) { c.Passkeys = nil }, "nobody could sign in"},
		"beyond this machine":  {func(c *Config) { c.Addr = "0.0.0.0:8551" }, "in clear"},
		"any address":          {func(c *Config) { c.Addr = ":8551" }, "in clear"},
		"a name":               {func(c *Config) { c.Addr = "approvals.example:8551" }, "in clear"},
		"no port":              {func(c *Config) { c.Addr = "127.0.0.1" }, "not host:port"},
		"origin in clear":      {func(c *Config) { c.Origin = "http://approvals.example" }, "not https"},
		"origin with a path":   {func(c *Config) { c.Origin = testOrigin + "/x" }, "not the address of a site"},
		"origin with a slash":  {func(c *Config) { c.Origin = testOrigin + "/" }, "not the address of a site"},
		"origin with a user":   {func(c *Config) { c.Origin = "https://a@approvals.example" }, "not the address of a site"},
		"origin in capitals":   {func(c *Config) { c.Origin = "https://Approvals.example" }, "give https://approvals.example"},
		"origin with its port": {func(c *Config) { c.Origin = testOrigin + ":443" }, "give https://approvals.example"},
		"origin with no port":  {func(c *Config) { c.Origin = testOrigin + ":" }, "give https://approvals.example"},
		"no origin":            {func(c *Config) { c.Origin = "" }, "not the address of a site"},
		"TLS for a clear one":  {func(c *Config) { c.Origin, c.TLS = "http://localhost:8551", keeper }, "the listener speaks TLS"},
		"issuer in clear": {func(c *Config) {
			c.Origin, c.OIDC = "http://localhost:8551", &OIDC{Issuer: "https://i.example", ClientID: "c"}
		}, "OpenID Connect needs"},
		"issuer":         {func(c *Config) { c.OIDC = &OIDC{Issuer: "http://i.example", ClientID: "c"} }, "not an https URL"},
		"negative limit": {func(c *Config) { c.Idle = -time.Second }, "limit Idle"},
	} {
		cfg := Config{Tickets: new(approval.Queue), People: people, Passkeys: newKeys(), Origin: testOrigin, Addr: "127.0.0.1:8551"}
		tt.change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A server in front speaks TLS, or people are on this machine.
	for _, origin := range []string{testOrigin, testOrigin + ":8443", "http://localhost", "http://localhost:8551", "http://127.0.0.1:8551", "http://[::1]:8551"} {
		if _, err := New(Config{Tickets: new(approval.Queue), People: people, Passkeys: newKeys(), Origin: origin, Addr: "127.0.0.1:8551"}); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// TestOnThisMachine over http: not all browsers keep secure cookies of it.
func TestOnThisMachine(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.Origin, c.TLS = "http://localhost:8551", nil })
	b := h.signedInBrowser("alice")
	got := b.get("/")
	if got.status != http.StatusOK || got.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%d %v", got.status, got.header)
	}
	at, err := url.Parse(h.cfg.Origin)
	if err != nil {
		t.Fatal(err)
	}
	if all := b.Jar.Cookies(at); len(all) != 1 || all[0].Name != "kvclef-session-8551" {
		t.Errorf("%v", all)
	}
	for _, host := range []string{"localhost:8552", "localhost", "127.0.0.1:8551"} {
		if got := b.do(http.MethodGet, "/", nil, func(r *http.Request) { r.Host = host }); got.status != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", host, got.status)
		}
	}
}

// TestStartAndShutdown tell what is the matter.
func TestStartAndShutdown(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	s, err := New(Config{
		Tickets: new(approval.Queue), People: map[string]Person{"alice": {}}, Passkeys: newKeys(), Origin: "http://localhost:1", Addr: taken.Addr().String(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || s.Addr() != "" {
		t.Errorf("%v, %s", err, s.Addr())
	}
	if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
