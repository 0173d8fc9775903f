package extapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// maxHeaderBytes bounds the headers of an HTTP request.
const maxHeaderBytes = 32 << 10

// rpcMargin is how long before the write timeout the rpc server answers
// "request timed out" (rpc.ContextRequestTimeout).
const rpcMargin = 100 * time.Millisecond

// httpServer serves JSON-RPC over HTTP/1.1: POST at any path, as Clef does.
type httpServer struct {
	server   *http.Server
	listener net.Listener
	wg       sync.WaitGroup
}

// startHTTP listens and serves until shutdown. Without TLS it serves in
// clear. What was bound is what counts for who can reach it, whatever its name said.
func startHTTP(ctx context.Context, cfg ServerConfig, server *rpc.Server, callers Callers, refused *refusals) (*httpServer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("opening HTTP listener %s: %w", cfg.HTTPAddr, err)
	}
	if err := CheckReach(httpKeys, listener.Addr().String(), callers.TLS != nil, callers.Named()); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s := &httpServer{
		server: &http.Server{
			Handler:           newHTTPHandler(cfg, server, callers, refused),
			ReadHeaderTimeout: cfg.HeaderTimeout, // of a handshake, too
			ReadTimeout:       cfg.ReadTimeout,
			WriteTimeout:      cfg.RequestTimeout + rpcMargin, // for the rpc server; the handler extends it
			IdleTimeout:       cfg.IdleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
		},
	}
	intake := Intake{MaxConns: cfg.MaxHTTPConns, TLS: callers.TLS, Refused: refused.add, Logger: cfg.Logger}
	s.listener = intake.Attach(s.server, listener)
	s.wg.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("HTTP server stopped", "error", err)
		}
	})
	return s, nil
}

func (s *httpServer) addr() string { return s.listener.Addr().String() }

// shutdown stops accepting, waits for the requests in flight until the context
// ends, then closes every connection.
func (s *httpServer) shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("closing HTTP listener %s with unanswered requests: %w", s.addr(), err), s.server.Close())
	}
	s.wg.Wait()
	return err
}
