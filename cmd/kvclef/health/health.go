// Package health is the listener for those who watch a signer: /healthz for whether the
// process lives, /readyz for whether it can sign, with reasons, and /metrics.
//
// It signs nothing, takes nothing in, and tells no secret, no account and no address of
// what it looks at.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/kvclef/kvclef/extapi"
)

const (
	maxConns    = 64
	maxHeader   = 8 << 10          // bytes
	readTimeout = 10 * time.Second // of a request
	sendTimeout = 30 * time.Second // of an answer
)

// Config says where it listens and what it tells.
type Config struct {
	Addr    string            // host:port; port 0 is any free one
	Plain   bool              // other machines may read it in clear, or without a certificate
	TLS     *extapi.TLSKeeper // nil is in clear
	Ready   *Readiness
	Metrics http.Handler // answers GET /metrics
	Logger  *slog.Logger
}

// Server answers until it is closed.
type Server struct {
	http     *http.Server
	listener net.Listener
	done     sync.WaitGroup
}

// CheckReach refuses an address that other machines can reach, unless those are known by
// certificates, or plain says that they need not be.
func CheckReach(addr string, named, plain bool) error {
	if extapi.Loopback(addr) || named || plain {
		return nil
	}
	return fmt.Errorf("metrics: %q can be reached by other machines: use 127.0.0.1, give metrics.tls a certificate and a client_ca_file, "+
		"or say metrics.plain: true where a network policy or a firewall lets in those alone who watch", addr)
}

// Start opens the listener and serves. The context bounds the opening alone.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	named := cfg.TLS != nil && cfg.TLS.NamesCallers()
	if err := CheckReach(cfg.Addr, named, cfg.Plain); err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("opening the listener of metrics %s: %w", cfg.Addr, err)
	}
	if err := CheckReach(listener.Addr().String(), named, cfg.Plain); err != nil { // localhost may be anywhere
		return nil, errors.Join(err, listener.Close())
	}
	s := &Server{http: &http.Server{
		Handler:           handler(cfg, listener.Addr().String()),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      sendTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
	}}
	intake := extapi.Intake{MaxConns: maxConns, TLS: cfg.TLS, Refused: extapi.RefusalLog(cfg.Logger), Logger: cfg.Logger}
	s.listener = intake.Attach(s.http, listener)
	s.done.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("Listener of metrics stopped", "error", err)
		}
	})
	cfg.Logger.InfoContext(ctx, "Metrics and health are served", "address", s.Addr(), "tls", cfg.TLS != nil, "client_certificates", named)
	if !extapi.Loopback(s.Addr()) && !named {
		cfg.Logger.WarnContext(ctx, "METRICS CAN BE READ BY OTHER MACHINES that nobody asks who they are: let those alone reach the port that watch the signer", "address", s.Addr())
	}
	return s, nil
}

// Addr is host:port of the listener.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends the server. Requests under way are waited for until the context ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("closing the listener of metrics: %w", err), s.http.Close())
	}
	s.done.Wait()
	return err
}

// handler answers the three paths. A page whose name leads to this machine may not read
// them where they are for this machine alone.
func handler(cfg Config, addr string) http.Handler {
	hosts := []string{"*"}
	if extapi.Loopback(addr) {
		hosts = []string{"localhost"}
	}
	guard := extapi.NewGuard(hosts, nil)
	refused := extapi.RefusalLog(cfg.Logger)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		plain(w)
		_, _ = w.Write([]byte("ok\n")) // whoever asked is gone otherwise
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		report := cfg.Ready.Report(r.Context())
		plain(w)
		w.Header().Set("Content-Type", "application/json")
		if !report.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(report) // likewise
	})
	mux.Handle("GET /metrics", cfg.Metrics)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, r = extapi.Early(w, r)
		if cfg.TLS != nil && cfg.TLS.NamesCallers() {
			// Whoever keeps a connection open may have lost the right to it: the authority may
			// have been taken out, and the certificate may have expired.
			if err := cfg.TLS.Certified(r); err != nil {
				extapi.LogDenied(refused, r, err)
				extapi.Deny(w, r, err)
				return
			}
		}
		if !guard.HostAllowed(r.Host) {
			http.Error(w, "invalid host specified", http.StatusForbidden)
			return
		}
		if _, ok := guard.OriginAllowed(r.Header); !ok {
			http.Error(w, "origin not allowed", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func plain(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
}
