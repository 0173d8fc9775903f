package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

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
	trail   string // its name in those
	guard   extapi.Guard
	refused func(kind string, attrs ...any)
	node    node
	pipes   *dialer // for links of WebSocket clients; nil: each message is a POST
	buffers buffers
	held    held
	names   map[string]string // of methods that are told to the observer
	large   *extapi.LargePlaces
	sockets *extapi.Shares // of WebSocket clients
	nodeLog rate.Sometimes // a node that is down fails every call

	writeBuffers sync.Pool // of WebSocket clients
	decoders     decoders  // for the observer
	sessions     sessions

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
	access, wrong := newAccess(cfg)
	p := &Proxy{
		cfg: cfg, log: cfg.Logger, access: access, trail: newTrail(),
		guard: extapi.NewGuard(cfg.VirtualHosts, cfg.AllowedOrigins), refused: extapi.RefusalLog(cfg.Logger),
		large: extapi.NewLargePlaces(maxLargeBodies, cfg.Callers.Named()), sockets: extapi.NewShares(cfg.MaxWebSockets, cfg.Callers.Named()),
		names: namesOf(cfg), nodeLog: rate.Sometimes{First: 5, Interval: time.Second},
		sessions: sessions{open: make(map[*session]struct{})},
	}
	p.held.left.Store(cfg.MaxHeld)
	if err := errors.Join(wrong, p.connect()); err != nil {
		return nil, err
	}
	return p, nil
}

// connect says how the node is reached. It opens no connection.
func (p *Proxy) connect() error {
	main, err := newTarget(p.cfg.Node, p.cfg.NodeHeaders, p.trail)
	if err != nil {
		return err
	}
	if !main.http() {
		if p.cfg.NodeWS != "" {
			return errors.New("NodeWS is for a node over http: WebSocket clients go to Node by themselves")
		}
		p.node, p.pipes = newMuxNode(main, p.cfg, p.nodeFailed), &dialer{main, p.cfg}
		return nil
	}
	p.node = newHTTPNode(main, p.cfg, p.nodeFailed)
	if p.cfg.NodeWS == "" {
		return nil
	}
	pushing, err := newTarget(p.cfg.NodeWS, p.cfg.NodeHeaders, p.trail)
	if err != nil {
		return fmt.Errorf("NodeWS: %w", err)
	}
	if pushing.http() {
		return errors.New("NodeWS has no subscriptions over http: give ws://, wss:// or the path of an IPC socket")
	}
	p.pipes = &dialer{pushing, p.cfg}
	return nil
}

// nodeFailed logs what happened to a call of the node, unless the caller did it.
func (p *Proxy) nodeFailed(ctx context.Context, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, errShutdown) || errors.Is(err, errHungUp) {
		return
	}
	p.nodeLog.Do(func() {
		p.log.WarnContext(ctx, "Node failed", slog.String("error", clipTo(err.Error(), 256)), extapi.RequestAttr(ctx))
	})
}

// Start opens the listener at [Config.Addr] and serves it until
// [Proxy.Shutdown]. The context bounds the opening alone.
func (p *Proxy) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.cfg.Addr)
	if err != nil {
		return fmt.Errorf("opening proxy listener %s: %w", p.cfg.Addr, err)
	}
	if err := p.cfg.checkReach(listener.Addr().String()); err != nil { // whatever its name says
		return errors.Join(err, listener.Close())
	}
	p.server = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: p.cfg.HeaderTimeout,
		ReadTimeout:       p.cfg.ReadTimeout,  // of what is not read for an answer; a body that is has its own
		WriteTimeout:      p.cfg.WriteTimeout, // of refusals; an answer has its own
		IdleTimeout:       p.cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	intake := extapi.Intake{MaxConns: p.cfg.MaxConns, TLS: p.cfg.Callers.TLS, Refused: p.refused, Logger: p.log}
	p.listener = intake.Attach(p.server, listener)
	p.wg.Go(func() {
		if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("Proxy stopped", "error", err)
		}
	})
	callers := p.cfg.Callers
	p.log.InfoContext(ctx, "Proxy started", "address", p.Addr(), "tls", callers.TLS != nil, "client_certificates", callers.TLS != nil && callers.TLS.NamesCallers(),
		"tokens", callers.Tokens != nil, "vhosts", p.cfg.VirtualHosts, "origins", p.cfg.AllowedOrigins)
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
// ends, and closes every connection. Who mounted the proxy stops its own server
// first.
func (p *Proxy) Shutdown(ctx context.Context) error {
	var err error
	if p.server != nil {
		if err = p.server.Shutdown(ctx); err != nil {
			err = errors.Join(fmt.Errorf("closing proxy listener %s with unanswered requests: %w", p.Addr(), err), p.server.Close())
		}
	}
	err = errors.Join(err, p.sessions.close(ctx))
	p.node.close()
	p.wg.Wait()
	return err
}
