package extapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
)

// RequestHeader is in each answer over HTTP. It names the request also where the body
// is no error of JSON-RPC: where all went well, and where it was turned away.
const RequestHeader = "X-Request-Id"

// numbering is the id of a request over HTTP, or of a message of a WebSocket, and how
// many calls it had so far.
type numbering struct {
	id    string
	calls atomic.Int64
}

// numberingKey is the context's key of the numbering.
type numberingKey struct{}

// numberingOf returns the numbering of a context, nil if it has none.
func numberingOf(ctx context.Context) *numbering {
	of, _ := ctx.Value(numberingKey{}).(*numbering)
	return of
}

// Numbered gives a request over HTTP its id, tells the caller by [RequestHeader], and
// returns the request whose calls are named after it. What the caller itself sent under
// that name is not read.
func Numbered(w http.ResponseWriter, r *http.Request) *http.Request {
	ctx := NumberedContext(r.Context())
	w.Header().Set(RequestHeader, HTTPRequestID(ctx))
	return r.WithContext(ctx)
}

// NumberedContext gives a message that is no request over HTTP, such as one of a
// WebSocket, its id.
func NumberedContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, numberingKey{}, &numbering{id: newRequestID()})
}

// NumberedCall gives a call of a batch an id of its own: that of the batch, with its place
// among those that have one, unless it is the first.
func NumberedCall(ctx context.Context) context.Context {
	return context.WithValue(ctx, numberingKey{}, &numbering{id: nextID(ctx)})
}

// Unnumbered returns a context for what is no part of the answer to a request over HTTP,
// such as the WebSocket that it opens.
func Unnumbered(ctx context.Context) context.Context {
	return context.WithValue(ctx, numberingKey{}, (*numbering)(nil))
}

// nextID returns the id of a call of a method that is on record: of the first that a
// request over HTTP or a message leads to that of the request, of further ones, in a batch or since
// a transaction was signed anew with another nonce, that and a number from 2, and a new
// one elsewhere.
func nextID(ctx context.Context) string {
	of := numberingOf(ctx)
	if of == nil {
		return newRequestID()
	}
	if n := of.calls.Add(1); n > 1 {
		return fmt.Sprintf("%s-%d", of.id, n)
	}
	return of.id
}

// newRequestID returns an id that no other request has: 128 random bits, in 26 letters and
// digits.
func newRequestID() string { return rand.Text() }

// uncalled reports whether a request over HTTP, or a message, called no method that is on
// record.
func uncalled(ctx context.Context) bool {
	of := numberingOf(ctx)
	return of != nil && of.calls.Load() == 0
}

// HTTPRequestID returns the id that [Numbered] or [NumberedContext] gave to the request
// that a context is of, "" if it has none.
func HTTPRequestID(ctx context.Context) string {
	if of := numberingOf(ctx); of != nil {
		return of.id
	}
	return ""
}

// RequestAttr is the id of a request over HTTP, or of a message, for the log, which knows it by the
// same name as that of a call. Without one it is nothing, which a log leaves out.
func RequestAttr(ctx context.Context) slog.Attr {
	id := HTTPRequestID(ctx)
	if id == "" {
		return slog.Attr{}
	}
	return slog.String("request_id", id)
}
