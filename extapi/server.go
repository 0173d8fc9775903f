package extapi

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/ethereum/go-ethereum/rpc"
)

// Server listens for callers of the external API on IPC, on HTTP, or on both.
// Every listener has the same limits and lets no notification through.
type Server struct {
	cfg     ServerConfig
	rpc     *rpc.Server
	callers Callers // of HTTP
	refused *refusals
	log     *slog.Logger

	ipc  *ipcServer  // nil until started, or when off
	http *httpServer // nil until started, or when off
}

// NewServer returns a server of the account's methods, and of those of the other
// namespaces that sign with it, see [Register]. It listens after
// [Server.Start].
func NewServer(account *Account, cfg ServerConfig) (*Server, error) {
	return serverOf(namespaces(account, cfg.Release), cfg)
}

// newServer takes any receiver as the account's, so that tests can serve methods
// that hang.
func newServer(receiver any, cfg ServerConfig) (*Server, error) {
	return serverOf(map[string]any{"account": receiver}, cfg)
}

func serverOf(receivers map[string]any, cfg ServerConfig) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	server := rpc.NewServer()
	server.SetBatchLimits(cfg.MaxBatch, cfg.MaxResponse)
	server.SetHTTPBodyLimit(int(cfg.MaxBody))
	if err := register(server, receivers); err != nil {
		return nil, err
	}
	if cfg.Answers == nil {
		cfg.Answers = NewAnswerRoom(cfg.MaxResponse)
	}
	s := &Server{cfg: cfg, rpc: server, callers: Callers{Tokens: cfg.Tokens}, refused: newRefusals(cfg.Logger), log: cfg.Logger}
	if cfg.HTTPAddr != "" && cfg.TLS.on() {
		keeper, err := NewTLSKeeper(cfg.TLS, cfg.Logger)
		if err != nil {
			return nil, err
		}
		s.callers.TLS = keeper
	}
	return s, nil
}

// Start opens the listeners and serves them until [Server.Shutdown]. When one
// can't be opened none is. The context bounds the opening alone.
func (s *Server) Start(ctx context.Context) error {
	if s.cfg.IPCPath != "" {
		server, err := startIPC(ctx, s.cfg, s.rpc, s.refused)
		if err != nil {
			return err
		}
		s.ipc = server
		s.log.InfoContext(ctx, "IPC endpoint opened", "path", s.cfg.IPCPath)
	}
	if s.cfg.HTTPAddr != "" {
		server, err := startHTTP(ctx, s.cfg, s.rpc, s.callers, s.refused)
		if err != nil {
			return errors.Join(err, s.Shutdown(ctx))
		}
		s.http = server
		s.log.InfoContext(ctx, "HTTP server started", "address", server.addr(), "tls", s.cfg.TLS.on(),
			"client_certificates", s.cfg.TLS.ClientCAFile != "", "tokens", s.cfg.Tokens != nil, "vhosts", s.cfg.VirtualHosts, "origins", s.cfg.AllowedOrigins)
	}
	return nil
}

// HTTPAddr returns host:port of the HTTP listener, "" when there is none.
func (s *Server) HTTPAddr() string {
	if s.http == nil {
		return ""
	}
	return s.http.addr()
}

// Shutdown stops accepting connections and requests, waits for the requests in
// flight until the context ends, and closes every connection. It returns an
// error when requests were still running then; those that were approved run on
// to their own deadline, since a signature must be settled.
func (s *Server) Shutdown(ctx context.Context) error {
	var wg sync.WaitGroup
	var errIPC, errHTTP error
	if s.ipc != nil {
		wg.Go(func() { errIPC = s.ipc.shutdown(ctx) })
	}
	if s.http != nil {
		wg.Go(func() { errHTTP = s.http.shutdown(ctx) })
	}
	wg.Wait()
	s.rpc.Stop()
	s.log.InfoContext(ctx, "Listeners closed")
	return errors.Join(errIPC, errHTTP)
}
