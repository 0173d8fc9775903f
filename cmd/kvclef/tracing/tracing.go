// Package tracing exports what a signer does as OpenTelemetry spans, by OTLP over HTTP.
//
// It never holds up and never fails what it follows: spans that can't be sent are
// dropped. No span tells of call data, messages, digests, keys' material or secrets. A
// trace goes on for a caller who has proven who they are, and nothing else of what a
// caller says of it counts: whether it is recorded is the signer's own choice.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	azcore "github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"
	"github.com/Azure/azure-sdk-for-go/sdk/tracing/azotel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Bounds of what waits to be sent.
const (
	maxWaiting = 4096 // spans; more are dropped
	maxAtOnce  = 512
	sendEvery  = 2 * time.Second
	sendWithin = 10 * time.Second
)

// Config says where spans go.
type Config struct {
	Endpoint string            // URL of the receiver; /v1/traces is added if it has no path. "": OTEL_EXPORTER_OTLP_*
	Headers  map[string]string // of requests to it; none: OTEL_EXPORTER_OTLP_HEADERS
	Sample   float64           // the part of requests that is recorded, from 0 to 1
	Version  string
	Logger   *slog.Logger
}

// Tracing makes spans. It implements extapi.Observer.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	log      *slog.Logger
}

// Wanted reports whether the variables of OpenTelemetry ask for an export of spans.
func Wanted() bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// Start makes what exports spans. The receiver is not asked: it may come later.
func Start(ctx context.Context, cfg Config) (*Tracing, error) {
	var options []otlptracehttp.Option
	if cfg.Endpoint != "" {
		options = append(options, otlptracehttp.WithEndpointURL(endpoint(cfg.Endpoint)))
	}
	if len(cfg.Headers) > 0 {
		options = append(options, otlptracehttp.WithHeaders(cfg.Headers))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("preparing the export of traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithFromEnv(), resource.WithAttributes(
		attribute.String("service.name", "kvclef"), attribute.String("service.version", cfg.Version)))
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("preparing the export of traces: %w", err)
	}
	provider := sdk.NewTracerProvider(
		sdk.WithSampler(sampler(cfg.Sample)), sdk.WithResource(about),
		sdk.WithBatcher(newQuiet(exporter, cfg.Logger), sdk.WithMaxQueueSize(maxWaiting), sdk.WithMaxExportBatchSize(maxAtOnce),
			sdk.WithBatchTimeout(sendEvery), sdk.WithExportTimeout(sendWithin)),
		sdk.WithRawSpanLimits(sdk.SpanLimits{
			AttributeValueLengthLimit: 512, AttributeCountLimit: 32, EventCountLimit: 8, LinkCountLimit: 8,
			AttributePerEventCountLimit: 8, AttributePerLinkCountLimit: 8,
		}),
	)
	return &Tracing{provider: provider, tracer: provider.Tracer("github.com/kvclef/kvclef"), log: cfg.Logger}, nil
}

// Azure returns what the Azure clients make spans with.
func (t *Tracing) Azure() azcore.Provider { return azotel.NewTracingProvider(t.provider, nil) }

// Span begins a part of a request that is under way. What is of no request has none.
func (t *Tracing) Span(ctx context.Context, name string) (context.Context, func(error)) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, func(err error) { end(span, err) }
}

// end ends a span. An error's text may hold what the caller wrote, and is in the log.
func end(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Close sends what waits, as long as the context lets it.
func (t *Tracing) Close(ctx context.Context) {
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.DebugContext(ctx, "Traces not sent to the end", "error", err)
	}
}
