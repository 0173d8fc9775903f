package extapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
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
	listener net.Listener // of connections in clear
	wg       sync.WaitGroup
}

// startHTTP listens and serves until shutdown. Without a keeper of certificates
// it serves in clear.
func startHTTP(ctx context.Context, cfg ServerConfig, server *rpc.Server, keeper *tlsKeeper, refused *refusals) (*httpServer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("opening HTTP listener %s: %w", cfg.HTTPAddr, err)
	}
	limited := limitListener(listener, cfg.MaxHTTPConns, func(why string) {
		refused.add(refusedConnection, slog.String("transport", "http"), slog.String("reason", why))
	})
	waiting := newNewcomers()
	limited.makeRoom = waiting.dismiss
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s := &httpServer{
		listener: limited,
		server: &http.Server{
			Handler:           newHTTPHandler(cfg, server, keeper, refused),
			Protocols:         protocols,
			ConnState:         waiting.follow,
			ConnContext:       withPeer,
			ReadHeaderTimeout: cfg.HeaderTimeout, // of a handshake, too
			ReadTimeout:       cfg.ReadTimeout,
			WriteTimeout:      cfg.RequestTimeout + rpcMargin, // for the rpc server; the handler extends it
			IdleTimeout:       cfg.IdleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(connectionLog{cfg.Logger.Handler(), refused}, slog.LevelDebug),
		},
	}
	serving := s.listener
	if keeper != nil {
		serving = tls.NewListener(serving, keeper.config())
	}
	s.wg.Go(func() {
		if err := s.server.Serve(serving); !errors.Is(err, http.ErrServerClosed) {
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
