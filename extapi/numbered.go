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

// numbering gives out ids to the decisions and errors of one request over HTTP, or of one message
// of a WebSocket: to the first the request's own, to further ones that and a number from 2. So
// the request's id finds all of them in the log and in the audit log.
type numbering struct {
	id    string
	given atomic.Int64 // how many
}

func (n *numbering) next() string {
	if given := n.given.Add(1); given > 1 {
		return fmt.Sprintf("%s-%d", n.id, given)
	}
	return n.id
}

// origin is what a context came from: a request over HTTP, a message of a WebSocket, or a call
// of a batch in one of them.
type origin struct {
	of    *numbering
	id    string      // of a call one that the numbering gave out for it
	ahead atomic.Bool // it was given out before there was a decision, and none has it yet
}

func (p *origin) next() string {
	if p.ahead.CompareAndSwap(true, false) {
		return p.id
	}
	return p.of.next()
}

// originKey is the context's key of the origin.
type originKey struct{}

// originOf returns the origin of a context, nil if it has none.
func originOf(ctx context.Context) *origin {
	at, _ := ctx.Value(originKey{}).(*origin)
	return at
}

// Numbered gives a request over HTTP its id, which the caller is told by [RequestHeader], and
// returns the request with a context from which its decisions and errors are named. What the
// caller itself sent under that name is not read.
func Numbered(w http.ResponseWriter, r *http.Request) *http.Request {
	ctx := NumberedContext(r.Context())
	w.Header().Set(RequestHeader, OriginID(ctx))
	return r.WithContext(ctx)
}

// NumberedContext is [Numbered] of a message that is no request over HTTP, such as one of
// a WebSocket.
func NumberedContext(ctx context.Context) context.Context {
	of := &numbering{id: newRequestID()}
	return context.WithValue(ctx, originKey{}, &origin{of: of, id: of.id})
}

// NumberedCall returns a context for one call of the batch that the context is of. Its id is the
// next of the request or message; it is at the same time that of the first decision of
// the call, so that an error with it leads to what was decided.
func NumberedCall(ctx context.Context) context.Context {
	batch := originOf(ctx)
	if batch == nil {
		return NumberedContext(ctx)
	}
	at := &origin{of: batch.of, id: batch.next()}
	at.ahead.Store(true)
	return context.WithValue(ctx, originKey{}, at)
}

// Unnumbered returns a context that has no origin, for what is no part of the answer to a
// request over HTTP, such as the WebSocket that it opens.
func Unnumbered(ctx context.Context) context.Context {
	return context.WithValue(ctx, originKey{}, (*origin)(nil))
}

// nextID returns an id for what a context is of: for a decision, or for an error of a call of a
// batch about which nothing was decided. No two have the same, also where one call leads to
// several decisions, as when its transaction is signed anew with another nonce. Where
// the context has no origin, as by IPC, the id is one that nothing else is named after.
func nextID(ctx context.Context) string {
	if at := originOf(ctx); at != nil {
		return at.next()
	}
	return newRequestID()
}

// newRequestID returns an id that no other request has: 128 random bits, in 26 letters and
// digits.
func newRequestID() string { return rand.Text() }

// uncalled reports whether a request over HTTP led to no decision, and to no error of a call of
// a batch.
func uncalled(ctx context.Context) bool {
	at := originOf(ctx)
	return at != nil && at.of.given.Load() == 0
}

// OriginID returns the id of what a context came from, be it the request over HTTP of
// [Numbered], the message of [NumberedContext] or the call of [NumberedCall]; "" if it came
// from none of them.
func OriginID(ctx context.Context) string {
	if at := originOf(ctx); at != nil {
		return at.id
	}
	return ""
}

// RequestAttr is [OriginID] for the log, under the name that it has for [RequestID], too. Without
// one it is nothing, which a log leaves out.
func RequestAttr(ctx context.Context) slog.Attr {
	id := OriginID(ctx)
	if id == "" {
		return slog.Attr{}
	}
	return slog.String("request_id", id)
}
