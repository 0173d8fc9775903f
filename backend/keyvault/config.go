package keyvault

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
)

// Config says which vault to use, as whom, and how hard.
type Config struct {
	// Name labels the vault in accounts, logs and errors. Default: the first
	// label of the URL's host.
	Name string
	// URL is the vault's, https://NAME.vault.azure.net or one of the other
	// clouds' or a Managed HSM's.
	URL string
	// CustomEndpoint admits hosts outside the known suffixes. It is the only
	// switch that turns off the SDK's check that the vault asks for a token of
	// its own domain, and Entra's instance discovery. Authority is then needed.
	CustomEndpoint bool
	// Authority overrides the Entra endpoint that follows from the vault's suffix.
	Authority string
	// Keys names the keys to use, "name" or "name/version". Empty: all keys of
	// the vault, which takes the right to list them.
	Keys []string
	// IncludeManaged admits keys behind certificates, which are skipped by default.
	IncludeManaged bool
	// Complete has Open wait for the older versions of the keys, however many keys
	// there are. Without it a big vault's are read afterwards, so that a signer
	// starts sooner.
	Complete bool
	// Credential says as whom.
	Credential Credential
	// CAFile is a PEM file of roots to trust besides RootCAs, for the vault and
	// for Entra.
	CAFile string
	// RequestsPerSecond limits the requests to the vault. 0 stands for the
	// service's published limits (Key Vault: 400/s, half of it for keys in
	// hardware; Managed HSM: 330 signatures/s, 1100 reads/s); negative is off.
	RequestsPerSecond float64
	// MaxInFlight caps the requests under way at once. Default 64.
	MaxInFlight int
	// MaxWaiting caps the requests that wait for their turn. When as many do, the
	// caller that has the most of them waiting loses one. Default 2048.
	MaxWaiting int
	// TryTimeout bounds one request, Timeout a whole call with its waiting and
	// retries. Defaults: 5 s and 20 s.
	TryTimeout, Timeout time.Duration
	// DialContext replaces the ordinary dialer and the proxy of the environment.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// RootCAs replaces the system's roots.
	RootCAs *x509.CertPool
	// Logger gets one line per event. nil: nothing is logged.
	Logger *slog.Logger
	// Observer is told of requests. nil: nobody is.
	Observer Observer
	// Tracing makes a span of each request. The zero value makes none.
	Tracing tracing.Provider
}

// withDefaults checks the plain values and fills in what is left out.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.MaxInFlight < 0:
		return c, fmt.Errorf("requests in flight %d: want a positive number", c.MaxInFlight)
	case c.MaxWaiting < 0:
		return c, fmt.Errorf("requests waiting %d: want a positive number", c.MaxWaiting)
	case c.TryTimeout < 0 || c.Timeout < 0:
		return c, errors.New("timeouts of a vault must not be negative")
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 64
	}
	if c.MaxWaiting == 0 {
		c.MaxWaiting = 2048
	}
	if c.TryTimeout == 0 {
		c.TryTimeout = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	c.TryTimeout = min(c.TryTimeout, c.Timeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = unobserved{}
	}
	return c, nil
}

// tuning holds the delays that tests shorten.
type tuning struct {
	attempts     int           // requests that one call may cost when they fail in passing
	backoff      time.Duration // before the first retry; doubles
	throttle     time.Duration // pause after a 429 without Retry-After; doubles up to 16 times this
	renewEvery   time.Duration // credential and client are built anew at most this often
	tokenRetry   time.Duration // before Entra is asked once more
	tokenPause   time.Duration // between attempts to get a token that failed; doubles up to 16 times this
	outageCount  int           // failures in a row, with
	outageSpan   time.Duration // at least this between the first and the last, open the circuit
	openFor      time.Duration // before the first probe; doubles up to 8 times this
	eagerKeys    int           // a vault with more keys reads their older versions after Open
	settledAfter time.Duration // attributes changed within this time may change again unseen
}

func defaultTuning() tuning {
	return tuning{
		attempts:     3,
		backoff:      100 * time.Millisecond,
		throttle:     time.Second,
		renewEvery:   5 * time.Second,
		tokenRetry:   200 * time.Millisecond,
		tokenPause:   500 * time.Millisecond,
		outageCount:  5,
		outageSpan:   400 * time.Millisecond,
		openFor:      500 * time.Millisecond,
		eagerKeys:    500,
		settledAfter: time.Minute,
	}
}
