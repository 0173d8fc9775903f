package console

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/kvclef/kvclef/extapi"
)

const (
	maxHeaderBytes = 32 << 10
	maxBody        = 64 << 10 // of a form
)

// Server is a console. It is safe for concurrent use.
type Server struct {
	cfg     Config
	origin  *url.URL
	log     *slog.Logger
	refused func(kind string, attrs ...any)

	pages    map[string]*template.Template
	cookies  cookies
	sessions *sessions
	attempts *attempts // to sign in
	streams  *streams
	issuer   *issuer // nil: none
	handler  http.Handler

	server   *http.Server // nil until started
	listener net.Listener // of all its addresses
	wg       sync.WaitGroup
}

// New returns a console that listens after [Server.Start].
func New(cfg Config) (*Server, error) {
	origin, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, origin: origin, log: cfg.Logger, refused: extapi.RefusalLog(cfg.Logger), pages: pages,
		cookies: cookiesOf(origin), sessions: newSessions(cfg.Idle, cfg.Lifetime, cfg.Clock), attempts: newAttempts(cfg.Clock),
		streams: newStreams(cfg.MaxStreams),
	}
	if cfg.OIDC != nil {
		if s.issuer, err = newIssuer(*cfg.OIDC, cfg.People, cfg.Origin, cfg.Clock); err != nil {
			return nil, err
		}
	}
	s.handler = s.routes()
	return s, nil
}

// Start listens on all [Addresses] and serves them until [Server.Shutdown]. The context
// bounds the opening alone.
func (s *Server) Start(ctx context.Context) error {
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	s.server = &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      s.cfg.ReadTimeout + s.cfg.WriteTimeout, // a stream has its own
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	intake := extapi.Intake{MaxConns: s.cfg.MaxConns, TLS: s.cfg.TLS, Refused: s.refused, Logger: s.log}
	s.listener = intake.Attach(s.server, listener)
	s.wg.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("Console stopped", "error", err)
		}
	})
	s.log.InfoContext(ctx, "Console started", "url", s.cfg.Origin, "address", s.Addr(), "tls", s.cfg.TLS != nil,
		"passkeys", s.cfg.Passkeys != nil, "oidc", s.cfg.OIDC != nil, "people", len(s.cfg.People))
	return nil
}

// Addr returns host:port of the first listener, "" when there is none.
func (s *Server) Addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Handler returns what answers requests, for a listener that is not the console's.
func (s *Server) Handler() http.Handler { return s.handler }

// SignOut ends the sessions of a person, such as when a passkey was taken away that one
// of them may have begun with.
func (s *Server) SignOut(person string) { s.sessions.dropAll(person) }

// Shutdown ends all sessions and streams, waits for the requests in flight until the
// context ends, and closes every connection.
func (s *Server) Shutdown(ctx context.Context) error {
	s.streams.close()
	s.sessions.close()
	if s.issuer != nil {
		s.issuer.close()
	}
	if s.server == nil {
		return nil
	}
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("closing console listener %s with unanswered requests: %w", s.Addr(), err), s.server.Close())
	}
	s.wg.Wait()
	return err
}
