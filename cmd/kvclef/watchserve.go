package main

import (
	"context"

	"github.com/kvclef/kvclef/cmd/kvclef/health"
	"github.com/kvclef/kvclef/extapi"
)

// listening says whether callers are heard.
func (w *watch) listening(open bool) {
	if w != nil {
		w.open.Store(open)
	}
}

// serveMetrics tells those who watch the signer how it is, and opens their listener where
// it is on. The stop closes it.
func (s *signing) serveMetrics(ctx context.Context, signer extapi.Signer) (addr string, stop func(context.Context) error, err error) {
	stop = func(context.Context) error { return nil }
	if s.watch == nil {
		return "", stop, nil
	}
	ready := health.NewReadiness(s.checks(signer), s.log)
	sources := s.sources(ready)
	s.watch.metrics.Watch(sources)
	s.serveDiag(ready, sources)
	if !s.cfg.Metrics.Enabled {
		return "", stop, nil
	}
	m := &s.cfg.Metrics
	encryption, err := openTLS(m.TLS.TLS(), "metrics.tls", s.log)
	if err != nil {
		return "", stop, err
	}
	server, err := health.Start(ctx, health.Config{Addr: m.Listen(), Plain: m.Plain, TLS: encryption, Ready: ready, Metrics: s.watch.handler(), Logger: s.log})
	if err != nil {
		return "", stop, portTaken(err)
	}
	return server.Addr(), func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
		defer cancel()
		return server.Close(ctx)
	}, nil
}
