package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/metrics"
	"github.com/kvclef/kvclef/cmd/kvclef/tracing"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/proxy"
	"github.com/kvclef/kvclef/rules"
)

// watch follows a signer, for those who watch it: by metrics, traces, and whether it is
// ready. The nil watch follows nothing.
type watch struct {
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics.Metrics
	tracing  *tracing.Tracing // nil: off

	named []string // principals of the configuration

	open   atomic.Bool // the listeners are
	record lastAppend
}

// newWatch returns what follows a signer from its beginning. Close ends it.
func newWatch(ctx context.Context, cfg *config.Config, log *slog.Logger) (*watch, error) {
	version := buildVersion()
	w := &watch{log: log, registry: prometheus.NewRegistry()}
	var err error
	if w.metrics, err = metrics.New(w.registry, metrics.Build{Version: version.Version, Revision: version.Revision, Go: version.Go}); err != nil {
		return nil, err
	}
	w.named = configuredPrincipals(cfg)
	w.metrics.NamePrincipals(w.named)
	if cfg.Tracing.Endpoint == "" && !tracing.Wanted() {
		return w, nil
	}
	headers, err := cfg.Tracing.Headers()
	if err != nil {
		return nil, &usageError{err}
	}
	w.tracing, err = tracing.Start(ctx, tracing.Config{
		Endpoint: cfg.Tracing.Endpoint, Headers: headers, Sample: cfg.Tracing.Sample, Version: version.Version, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "Requests are traced", "part", cfg.Tracing.Sample)
	return w, nil
}

// close sends the traces that wait, for a moment.
func (w *watch) close(ctx context.Context) {
	if w == nil || w.tracing == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	w.tracing.Close(ctx)
}

// handler answers GET /metrics.
func (w *watch) handler() http.Handler {
	return promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	})
}

// observer returns who is told of requests, nil for nobody.
func (w *watch) observer() extapi.Observer {
	switch {
	case w == nil:
		return nil
	case w.tracing == nil:
		return w.metrics
	default:
		return extapi.Observers(w.tracing, w.metrics)
	}
}

// vault returns the configuration of a vault that is followed.
func (w *watch) vault(cfg keyvault.Config) keyvault.Config {
	if w == nil {
		return cfg
	}
	cfg.Observer = w.metrics
	if w.tracing != nil {
		cfg.Tracing = w.tracing.Azure()
	}
	return cfg
}

// hook returns what a store or an audit log is to call at its points, with what was to
// be called before.
func (w *watch) hook(before func(point string)) func(point string) {
	if w == nil {
		return before
	}
	return w.metrics.Hook(before)
}

// store returns who is told of what the store makes durable.
func (w *watch) store() storeWatch {
	told := storeWatch{hook: w.hook(failpointHook())}
	if w != nil {
		told.committed = w.metrics.Committed
	}
	return told
}

// webhook is told what came of a message.
func (w *watch) webhook() func(result string) {
	if w == nil {
		return nil
	}
	return w.metrics.Webhook
}

// namePrincipals says whose requests are counted by name: those whom the policy names,
// and the configuration.
func (w *watch) namePrincipals(source []byte) {
	if w != nil {
		w.metrics.NamePrincipals(append(principalsIn(source), w.named...))
	}
}

// calls returns who is told of calls in front of a node, nil for nobody.
func (w *watch) calls() proxy.Observer {
	if w == nil {
		return nil
	}
	return w.metrics
}

// ledger returns a ledger that is followed.
func (w *watch) ledger(of rules.Ledger) rules.Ledger {
	if w == nil {
		return of
	}
	return watchedLedger{of, w}
}

type watchedLedger struct {
	rules.Ledger
	watch *watch
}

// Hold counts, and is counted.
func (l watchedLedger) Hold(ctx context.Context, charges []rules.Charge) (id rules.HoldID, err error) {
	err = l.holding(ctx, func(ctx context.Context) error {
		id, err = l.Ledger.Hold(ctx, charges)
		return err
	})
	return id, err
}

// Reserve counts, and is counted.
func (l watchedLedger) Reserve(ctx context.Context, charges []rules.Charge) (id rules.HoldID, reservation *rules.Reservation, err error) {
	err = l.holding(ctx, func(ctx context.Context) error {
		id, reservation, err = reserveOrHold(ctx, l.Ledger, charges)
		return err
	})
	return id, reservation, err
}

// reserveOrHold reserves where a ledger can, and holds where it can't.
func reserveOrHold(ctx context.Context, ledger rules.Ledger, charges []rules.Charge) (rules.HoldID, *rules.Reservation, error) {
	if reserver, ok := ledger.(rules.Reserver); ok {
		return reserver.Reserve(ctx, charges)
	}
	id, err := ledger.Hold(ctx, charges)
	return id, nil, err
}

// holding follows a hold.
func (l watchedLedger) holding(ctx context.Context, hold func(context.Context) error) error {
	ctx, end := l.watch.tracing.Span(ctx, "hold")
	began := time.Now()
	err := hold(ctx)
	l.watch.metrics.Held(time.Since(began), err)
	var over *rules.OverLimitError
	if errors.As(err, &over) { // an answer like any other
		end(nil)
	} else {
		end(err)
	}
	return err
}

// auditor returns an audit log that is followed.
func (w *watch) auditor(of extapi.Auditor) extapi.Auditor {
	if w == nil {
		return of
	}
	return watchedAuditor{of, w}
}

type watchedAuditor struct {
	extapi.Auditor
	watch *watch
}

// Append records, and is counted.
func (a watchedAuditor) Append(ctx context.Context, entry audit.Entry) error {
	began := time.Now()
	err := a.Auditor.Append(ctx, entry)
	a.watch.metrics.Appended(time.Since(began), err)
	a.watch.record.ended(err)
	return err
}

// lastAppend is how the last attempt to record something ended.
type lastAppend struct {
	failed atomic.Pointer[time.Time] // nil: it did not
	broken atomic.Bool               // nothing more is recorded
}

func (l *lastAppend) ended(err error) {
	switch {
	case err == nil:
		l.failed.Store(nil)
	case errors.Is(err, context.Canceled): // it says nothing of the log
	default:
		now := time.Now()
		l.failed.Store(&now)
		if errors.Is(err, audit.ErrBroken) {
			l.broken.Store(true)
		}
	}
}
