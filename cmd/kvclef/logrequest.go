package main

import (
	"cmp"
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/kvclef/kvclef/extapi"
)

// The attributes by which a line is found from a request, and from its trace.
const (
	requestAttr = "request_id"
	traceAttr   = "trace_id"
)

// requestLog adds to each line the request that its context is of, where the line
// does not name it itself, and the request's trace if it is recorded.
type requestLog struct {
	slog.Handler
	named bool // the lines of this logger name their request
}

// WithAttrs returns a handler of lines with further attributes.
func (l requestLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	named := l.named
	for _, attr := range attrs {
		named = named || attr.Key == requestAttr
	}
	return requestLog{l.Handler.WithAttrs(attrs), named}
}

// WithGroup returns a handler of lines with a group.
func (l requestLog) WithGroup(name string) slog.Handler {
	return requestLog{l.Handler.WithGroup(name), l.named}
}

// Handle logs a line.
func (l requestLog) Handle(ctx context.Context, line slog.Record) error {
	named := l.named
	line.Attrs(func(attr slog.Attr) bool {
		named = named || attr.Key == requestAttr
		return !named
	})
	id, span := cmp.Or(extapi.RequestID(ctx), extapi.OriginID(ctx)), trace.SpanContextFromContext(ctx)
	if (id != "" && !named) || span.IsSampled() {
		line = line.Clone()
	}
	if id != "" && !named {
		line.AddAttrs(slog.String(requestAttr, id))
	}
	if span.IsSampled() {
		line.AddAttrs(slog.String(traceAttr, span.TraceID().String()))
	}
	return l.Handler.Handle(ctx, line)
}
