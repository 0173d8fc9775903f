package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/kvclef/kvclef/extapi"
)

// maxHeaderBytes bounds the headers of a request.
const maxHeaderBytes = 32 << 10

// Proxy answers the methods that it was given and passes the rest to a node.
// It is an http.Handler for any path.
type Proxy struct {
	cfg     Config
	log     *slog.Logger
	access  access
	guard   extapi.Guard
	refused func(kind string, attrs ...any)

	server   *http.Server // nil until started
	listener net.Listener
	wg       sync.WaitGroup
}

// New returns a proxy. It calls no node before it is called itself.
func New(cfg Config) (*Proxy, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Node == "" {
		return nil, errNoNode
	}
	access, err := newAccess(cfg)
	if err != nil {
		return nil, err
	}
	return &Proxy{
		cfg: cfg, log: cfg.Logger, access: access,
		guard: extapi.NewGuard(cfg.VirtualHosts, cfg.AllowedOrigins), refused: extapi.RefusalLog(cfg.Logger),
	}, nil
}

// Start opens the listener at [Config.Addr] and serves it until
// [Proxy.Shutdown]. The context bounds the opening alone.
func (p *Proxy) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.cfg.Addr)
	if err != nil {
		return fmt.Errorf("opening proxy listener %s: %w", p.cfg.Addr, err)
	}
	p.listener = extapi.LimitListener(listener, p.cfg.MaxConns, func(why string) {
		p.refused("connection", slog.String("transport", "http"), slog.String("reason", why))
	})
	p.server = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: p.cfg.HeaderTimeout,
		IdleTimeout:       p.cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	p.wg.Go(func() {
		if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("Proxy stopped", "error", err)
		}
	})
	p.log.InfoContext(ctx, "Proxy started", "address", p.Addr(), "vhosts", p.cfg.VirtualHosts, "origins", p.cfg.AllowedOrigins)
	if host, _, _ := net.SplitHostPort(p.Addr()); !loopback(host) {
		p.log.WarnContext(ctx, "PROXY CAN BE REACHED BY OTHER MACHINES, WITHOUT ENCRYPTION: bind 127.0.0.1 instead", "address", p.Addr())
	}
	return nil
}

// Addr returns host:port of the listener, "" when there is none.
func (p *Proxy) Addr() string {
	if p.listener == nil {
		return ""
	}
	return p.listener.Addr().String()
}

// Shutdown stops accepting, waits for the calls in flight until the context
// ends, and closes every connection, also of a proxy that was mounted.
func (p *Proxy) Shutdown(ctx context.Context) error {
	if p.server == nil {
		return nil
	}
	err := p.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("closing proxy listener %s with unanswered requests: %w", p.Addr(), err), p.server.Close())
	}
	p.wg.Wait()
	return err
}

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "not yet", http.StatusNotImplemented)
}
