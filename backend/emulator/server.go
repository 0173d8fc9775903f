package emulator

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a running emulator. All methods are safe for concurrent use.
type Server struct {
	opts   Options
	ca     *authority
	tokens *tokenIssuer
	vaults []*vault
	byName map[string]*vault
	state  *stateFile
	faults faults
	counts map[Op]*atomic.Int64
	log    *slog.Logger

	latency   atomic.Int64 // time.Duration
	throttled atomic.Int64 // requests beyond a limit

	https, plain listener
	closing      chan struct{} // closed when Close begins: ends latency and slow faults
	requests     *gate
	closeOnce    sync.Once
	closeErr     error
}

// listener is a listening HTTP server and what it leaves behind.
type listener struct {
	net.Listener
	server *http.Server
	conns  sync.WaitGroup
	served chan error // the result of Serve
}

var vaultName = regexp.MustCompile(`^[0-9a-z][0-9a-z-]{1,22}[0-9a-z]$`)

// Start listens and serves until Close. The context bounds only the start.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := opts.complete(ctx); err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	tokens, err := newTokenIssuer(opts.TenantID, opts.TokenLifetime)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: opts, ca: ca, tokens: tokens, log: opts.Logger,
		byName: map[string]*vault{}, counts: map[Op]*atomic.Int64{}, requests: newGate(), closing: make(chan struct{}),
	}
	for _, op := range allOps() {
		s.counts[op] = new(atomic.Int64)
	}
	for _, o := range opts.Vaults {
		v := newVault(o)
		s.vaults, s.byName[o.Name] = append(s.vaults, v), v
	}
	s.SetLatency(opts.Latency)
	if opts.StateFile != "" {
		if s.state, err = openState(opts.StateFile, s.byName); err != nil {
			return nil, err
		}
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Check refuses options that can't be meant. Nothing is opened.
func (o *Options) Check(ctx context.Context) error {
	options := *o
	return options.complete(ctx)
}

// complete checks the options and fills in what was left out.
func (o *Options) complete(ctx context.Context) error {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(o.Addr)
	if err == nil {
		_, err = new(net.Resolver).LookupPort(ctx, "tcp", port) // a name has one too
	}
	if err != nil {
		return fmt.Errorf("reading the emulator's address %q: %w", o.Addr, err)
	}
	if !isLoopback(host) {
		return fmt.Errorf("the emulator's address %q is not loopback: use 127.0.0.1:PORT", o.Addr)
	}
	if len(o.Vaults) == 0 {
		o.Vaults = []VaultOptions{{Name: "dev"}}
	}
	vaults := make([]VaultOptions, len(o.Vaults))
	for i, v := range o.Vaults {
		v.Name = strings.ToLower(v.Name)
		if !vaultName.MatchString(v.Name) {
			return fmt.Errorf("vault name %q is not valid: use 3 to 24 letters, digits and hyphens", v.Name)
		}
		if slices.ContainsFunc(vaults[:i], func(other VaultOptions) bool { return other.Name == v.Name }) {
			return fmt.Errorf("vault %q is given twice: give each vault a name of its own", v.Name)
		}
		vaults[i] = v
	}
	o.Vaults = vaults
	if o.TokenLifetime <= 0 {
		o.TokenLifetime = time.Hour
	}
	if o.TenantID == "" {
		o.TenantID = DefaultTenantID
	}
	if o.ClientID == "" {
		o.ClientID = DefaultClientID
	}
	if o.ClientSecret == "" {
		o.ClientSecret = randomSecret()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func randomSecret() string {
	var b [24]byte
	rand.Read(b[:]) // never fails: see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (s *Server) listen(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("starting the emulator: %w", err)
	}
	p, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(fmt.Errorf("starting the emulator's proxy: %w", err), l.Close())
	}
	s.https.start(l, http.HandlerFunc(s.serve), &tls.Config{
		Certificates: []tls.Certificate{s.ca.leaf},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	})
	s.plain.start(p, http.HandlerFunc(s.servePlain), nil)
	return nil
}

// connKey is the context key of a request's connection.
type connKey struct{}

func (l *listener) start(nl net.Listener, h http.Handler, config *tls.Config) {
	l.Listener = nl
	l.served = make(chan error, 1)
	l.server = &http.Server{
		Handler:           h,
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // refused handshakes are part of tests
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				l.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				l.conns.Done()
			}
		},
	}
	go func() {
		if config != nil {
			l.served <- l.server.ServeTLS(nl, "", "")
		} else {
			l.served <- l.server.Serve(nl)
		}
	}()
}

func (l *listener) stop() error {
	err := l.server.Close()
	if serveErr := <-l.served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	l.conns.Wait()
	return err
}

// Close stops the server, cuts its connections, and waits until nothing of it
// runs any more.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		s.requests.close()
		s.closeErr = errors.Join(s.https.stop(), s.plain.stop())
		s.requests.wait()
	})
	return s.closeErr
}

// Addr is the host:port of the HTTPS listener.
func (s *Server) Addr() string { return s.https.Addr().String() }

// CAPEM is the certificate of the CA that issued the server's certificate.
func (s *Server) CAPEM() []byte { return s.ca.pem }

// TenantID is the tenant that the vaults trust.
func (s *Server) TenantID() string { return s.opts.TenantID }

// ClientID is the id of the one registered application.
func (s *Server) ClientID() string { return s.opts.ClientID }

// ClientSecret is that application's secret.
func (s *Server) ClientSecret() string { return s.opts.ClientSecret }

// VaultURL is the genuine URL of a vault in the public cloud; reach it through
// DialContext or ProxyURL. For a name that is not a vault it is a Key Vault's.
func (s *Server) VaultURL(name string) string {
	name = strings.ToLower(name)
	flavor := KeyVault
	if v := s.byName[name]; v != nil {
		flavor = v.flavor
	}
	return "https://" + name + "." + clouds[0].domain(flavor)
}

// LocalURL is a URL of a vault that needs no proxy where NAME.localhost
// resolves to loopback.
func (s *Server) LocalURL(name string) string {
	_, port, _ := net.SplitHostPort(s.Addr())
	return "https://" + strings.ToLower(name) + ".localhost:" + port
}

// SetLatency changes the time added to every key operation.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// Count is the number of requests of an operation since the start or the last
// reset, those that a fault answered included.
func (s *Server) Count(op Op) int {
	if c := s.counts[op]; c != nil {
		return int(c.Load())
	}
	return 0
}

// ResetCounts sets all counts to zero.
func (s *Server) ResetCounts() {
	for _, c := range s.counts {
		c.Store(0)
	}
	s.throttled.Store(0)
}

// pause waits for d, and reports false when the caller or the server goes away first.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-s.closing:
		return false
	}
}
