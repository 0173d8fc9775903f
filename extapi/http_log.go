package extapi

import (
	"context"
	"log/slog"
	"strings"
)

// connectionLog is what the HTTP server says of connections. A handshake that
// failed is a refusal, since an operator must see why a caller does not get in;
// the rest is for debugging.
type connectionLog struct {
	slog.Handler
	refused func(kind string, attrs ...any)
}

// Enabled is true: refusals have a level of their own.
func (connectionLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle logs a line.
func (l connectionLog) Handle(ctx context.Context, record slog.Record) error {
	if remote, why, failed := failedHandshake(record.Message); failed {
		l.refused(refusedHandshake, slog.String("remote", remote), slog.String("reason", clipTo(why, 256)))
		return nil
	}
	if !l.Handler.Enabled(ctx, record.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, record)
}

// failedHandshake finds out what net/http says of a handshake, but for those of
// callers that hang up or were closed: a probe of a port does so all day.
func failedHandshake(line string) (remote, why string, failed bool) {
	rest, found := strings.CutPrefix(line, "http: TLS handshake error from ")
	if !found {
		return "", "", false
	}
	remote, why, _ = strings.Cut(rest, ": ")
	gone := why == "EOF" || strings.HasSuffix(why, "use of closed network connection") || strings.HasSuffix(why, "connection reset by peer")
	return remote, why, !gone
}
