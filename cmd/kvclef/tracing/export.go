package tracing

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// endpoint adds the usual path to a URL without one.
func endpoint(text string) string {
	u, err := url.Parse(text)
	if err != nil || (u.Path != "" && u.Path != "/") {
		return text
	}
	return u.JoinPath("v1", "traces").String()
}

// quiet is an exporter whose failures are lines of the log, a few a minute. The SDK
// would write them to the standard error stream by itself.
type quiet struct {
	sdk.SpanExporter
	log   *slog.Logger
	lines *rate.Limiter
}

func newQuiet(exporter sdk.SpanExporter, log *slog.Logger) *quiet {
	return &quiet{exporter, log, rate.NewLimiter(rate.Every(sendWithin), 1)}
}

// ExportSpans sends spans, or forgets them.
func (q *quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	told := make([]sdk.ReadOnlySpan, len(spans))
	for i, span := range spans {
		told[i] = discreet{span}
	}
	if err := q.SpanExporter.ExportSpans(ctx, told); err != nil && q.lines.Allow() {
		q.log.WarnContext(ctx, "Traces not sent: they are dropped", "spans", len(spans), "error", withoutURL(err))
	}
	return nil
}

// discreet is a span that tells that it failed, and not in which words: those of the
// Azure clients repeat what they got.
type discreet struct{ sdk.ReadOnlySpan }

// Status returns the code alone.
func (d discreet) Status() sdk.Status { return sdk.Status{Code: d.ReadOnlySpan.Status().Code} }

// withoutURL returns the error of a client without the URL: its host is in the
// configuration, and a path may be a secret.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// sampler chooses by chance, whoever asks: neither the flag nor the id of a trace that
// a caller began has a part in it. What is within a request follows the request.
func sampler(part float64) sdk.Sampler {
	own := chance(part)
	return sdk.ParentBased(own, sdk.WithRemoteParentSampled(own), sdk.WithRemoteParentNotSampled(own))
}

// chance is the part of requests that is recorded.
type chance float64

// ShouldSample decides about a request.
func (c chance) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	result := sdk.SamplingResult{Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	if rand.Float64() < float64(c) { //nolint:gosec // nothing depends on it but what is recorded
		result.Decision = sdk.RecordAndSample
	}
	return result
}

// Description names the sampler.
func (chance) Description() string { return "kvclef" }
