package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// Config says what a console shows, to whom and where. Members without a default
// must be set.
type Config struct {
	Tickets Tickets

	// People are those who may sign in, by their names.
	People map[string]Person

	// Passkeys know people. Default: nil, nobody signs in so.
	Passkeys Passkeys

	// OIDC is an issuer by which people sign in. Default: nil, none.
	OIDC *OIDC

	// Names says what the addresses and the chain that a ticket mentions are called.
	// Default: nil, nothing has a name.
	Names func(*approval.Ticket) (names sheet.Names, chains map[string]string)

	// Limits returns what is used of limits. Default: nil, that is not shown.
	Limits func(context.Context) ([]LimitUse, error)

	// Accounts returns the accounts that can sign. Default: nil, none are shown.
	Accounts func() []rules.Account

	// Vaults tells how the vaults are. Default: nil, that is not shown.
	Vaults func(context.Context) []VaultHealth

	// Head returns the last entry of the audit log, and its hash. Default: nil, that
	// is not shown.
	Head func() (seq uint64, hash string)

	// Origin is the address that browsers have the console by, such as
	// https://approvals.example.com: requests with another Host are refused. It is
	// https, or http on a loopback host.
	Origin string

	// Addr is host:port of the listener; port 0 takes a free one, see [Server.Addr]. A
	// console at localhost has both addresses of that name, see [Addresses].
	Addr string

	// TLS encrypts the listener. Default: nil, in clear, which an address that other
	// machines can reach may not be.
	TLS *extapi.TLSKeeper

	Idle     time.Duration // after which a session ends that asks for no page; default 30 minutes
	Lifetime time.Duration // after which every session ends; default 12 hours

	MaxConns   int // open connections; default 256
	MaxStreams int // pages that are told of changes; default 100

	HeaderTimeout time.Duration // for the headers of a request; default 10 s
	ReadTimeout   time.Duration // from a request's first byte to its last; default 30 s
	WriteTimeout  time.Duration // for a page, or a piece of a stream, to be taken; default 30 s
	IdleTimeout   time.Duration // of a connection between requests; default 120 s
	Heartbeat     time.Duration // between the signs of life of a stream; default 15 s

	formTime time.Duration // for somebody who has not signed in to send a form; default 5 s

	Clock  func() time.Time // default time.Now
	Logger *slog.Logger     // default: discard
}

// Tickets are what people vote on, see [approval.Queue].
type Tickets interface {
	Ticket(id string) (*approval.Ticket, error)
	Tickets() []*approval.Ticket
	Vote(ctx context.Context, ballot approval.Ballot) (*approval.Ticket, error)
	Refuse(ctx context.Context, ballot approval.Ballot, why error) error
	Watch(most int) (changes <-chan approval.Change, stop func())
}

// Person is somebody who may sign in.
type Person struct {
	// OIDC is who the person is for the issuer: an address of e-mail that the issuer
	// has verified, or one of the claims sub, oid and preferred_username with a colon
	// and its value, such as "sub:8a1f". "" is nobody there.
	OIDC string
}

// OIDC is an issuer of OpenID Connect, and what the console is to it.
type OIDC struct {
	Issuer   string // URL, as the issuer's tokens have it
	ClientID string

	// ClientSecret returns the secret as it stands when somebody signs in. Default: nil,
	// for a public client: the flow has PKCE anyway.
	ClientSecret func() string

	GroupsClaim string // default "groups"
	Group       string // that a person must be in; "" is none

	// Client asks the issuer. Default: one with the system's roots and 10 s.
	Client *http.Client
}

// Format names the issuer alone, whatever the verb.
func (o OIDC) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "issuer "+o.Issuer) }

// LogValue names the issuer alone.
func (o OIDC) LogValue() slog.Value { return slog.StringValue("issuer " + o.Issuer) }

// LimitUse is what is used of a limit, or of the part of it that is for one account,
// recipient and so on. Amounts are as people read them.
type LimitUse struct {
	Limit  string
	Per    string // whom it counts for; "" is all, or nobody yet
	Window string

	Used string // what was approved within the window
	Held string // of that, what is not settled
	Free string
	Max  string

	UsedPart float64 // of Max, from 0; above 1 if people approved more
	HeldPart float64 // of Max
	Room     time.Time
}

// VaultHealth is how a vault is.
type VaultHealth struct {
	Name     string
	URL      string
	Healthy  bool
	Text     string // what is the matter, or since when it is well
	Accounts int
}

// complete fills in the defaults, and refuses what could not be served safely.
func (c *Config) complete() (origin *url.URL, err error) {
	if c.Tickets == nil || len(c.People) == 0 {
		return nil, errors.New("a console needs tickets, and people who vote on them")
	}
	if c.Passkeys == nil && c.OIDC == nil {
		return nil, errors.New("nobody could sign in: a console needs passkeys or an issuer of OpenID Connect")
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	if origin, err = checkOrigin(c.Origin); err != nil {
		return nil, err
	}
	setDefault(&c.Idle, 30*time.Minute)
	setDefault(&c.Lifetime, 12*time.Hour)
	setDefault(&c.MaxConns, 256)
	setDefault(&c.MaxStreams, 100)
	setDefault(&c.HeaderTimeout, 10*time.Second)
	setDefault(&c.ReadTimeout, 30*time.Second)
	setDefault(&c.WriteTimeout, 30*time.Second)
	setDefault(&c.IdleTimeout, 120*time.Second)
	setDefault(&c.Heartbeat, 15*time.Second)
	setDefault(&c.formTime, 5*time.Second)
	if c.Names == nil {
		c.Names = func(*approval.Ticket) (sheet.Names, map[string]string) { return nil, nil }
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return origin, c.positive()
}

// Check reports all that is wrong with where the console is and with who signs in, which
// needs no tickets and no passkeys. It asks nobody.
func (c *Config) Check() error {
	var problems []error
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		problems = append(problems, fmt.Errorf("console address %q is not host:port: %w", c.Addr, err))
	} else if c.TLS == nil && !extapi.Loopback(c.Addr) {
		problems = append(problems, fmt.Errorf("console address %q can be reached by other machines, in clear: give a certificate, or use 127.0.0.1", c.Addr))
	}
	switch origin, err := checkOrigin(c.Origin); {
	case err != nil:
		problems = append(problems, err)
	case c.TLS != nil && origin.Scheme != "https":
		problems = append(problems, fmt.Errorf("console URL %s is not https, and the listener speaks TLS: give an https URL", c.Origin))
	case c.OIDC != nil && origin.Scheme != "https":
		problems = append(problems, fmt.Errorf("console URL %s is not https, which sign-in by OpenID Connect needs: give a certificate and an https URL", c.Origin))
	}
	if c.OIDC != nil {
		_, err := newIssuer(*c.OIDC, c.People, c.Origin, time.Now)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// positive refuses a negative limit, which might lift it.
func (c *Config) positive() error {
	for name, limit := range map[string]int64{
		"Idle": int64(c.Idle), "Lifetime": int64(c.Lifetime), "MaxConns": int64(c.MaxConns), "MaxStreams": int64(c.MaxStreams),
		"HeaderTimeout": int64(c.HeaderTimeout), "ReadTimeout": int64(c.ReadTimeout), "WriteTimeout": int64(c.WriteTimeout),
		"IdleTimeout": int64(c.IdleTimeout), "Heartbeat": int64(c.Heartbeat),
	} {
		if limit < 0 {
			return fmt.Errorf("limit %s is %d: give a positive number", name, limit)
		}
	}
	return nil
}

// checkOrigin reads the address of a site.
func checkOrigin(text string) (*url.URL, error) {
	origin, err := url.Parse(text)
	switch {
	case err != nil || origin.Host == "" || origin.User != nil || origin.Path != "" || origin.RawQuery != "" || origin.Fragment != "" || origin.Opaque != "":
		return nil, fmt.Errorf("console URL %q is not the address of a site, such as https://approvals.example.com", text)
	case text != canonical(origin):
		return nil, fmt.Errorf("console URL %q is not spelt as browsers do: give %s", text, canonical(origin))
	case origin.Scheme == "https":
		return origin, nil
	case origin.Scheme == "http" && extapi.Loopback(net.JoinHostPort(origin.Hostname(), "80")):
		return origin, nil
	default:
		return nil, fmt.Errorf("console URL %q is not https, which browsers want of all but this machine", text)
	}
}

// canonical spells the address of a site as browsers do: in lower case, and without
// the port that goes without saying.
func canonical(origin *url.URL) string {
	host := strings.ToLower(origin.Host)
	switch port := origin.Port(); {
	case origin.Scheme == "https" && port == "443", origin.Scheme == "http" && port == "80", strings.HasSuffix(host, ":"):
		host = host[:strings.LastIndexByte(host, ':')]
	}
	return origin.Scheme + "://" + host
}
