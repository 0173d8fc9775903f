package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kvclef/kvclef/extapi"
)

// request is the span of one request.
type request struct {
	tracing *Tracing
	span    trace.Span
}

// Begin begins the span of a request: of the caller's trace, where that is known, else
// of one of its own.
func (t *Tracing) Begin(ctx context.Context, asked extapi.Asked) (context.Context, extapi.Observation) {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("rpc.system", "jsonrpc"), attribute.String("rpc.method", asked.Method),
		attribute.String("kvclef.request", asked.ID), attribute.String("kvclef.principal", asked.Principal),
		attribute.String("kvclef.transport", asked.Transport),
	)}
	parent := parentOf(asked.TraceParent)
	if parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	} else {
		options = append(options, trace.WithNewRoot())
	}
	ctx, span := t.tracer.Start(ctx, asked.Method, options...)
	return ctx, request{t, span}
}

// parentOf reads a traceparent header; what is none is no parent.
func parentOf(header string) trace.SpanContext {
	if header == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{"traceparent": header}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// Step begins the span of a part of the work.
func (r request) Step(ctx context.Context, step extapi.Step) (context.Context, func(error)) {
	return r.tracing.Span(ctx, string(step))
}

// End ends the span of the request.
func (r request) End(ending extapi.Ending) {
	if r.span.IsRecording() {
		if ending.Judged {
			r.span.SetAttributes(
				attribute.String("kvclef.verdict", ending.Verdict.String()), attribute.String("kvclef.rule", ending.Rule),
				attribute.String("kvclef.kind", ending.Kind.String()), attribute.String("kvclef.chain_id", ending.ChainID),
				attribute.String("kvclef.vault", ending.Vault))
		}
		if ending.Code != 0 {
			r.span.SetAttributes(attribute.Int("rpc.jsonrpc.error_code", ending.Code))
			r.span.SetStatus(codes.Error, "")
		}
	}
	r.span.End()
}
