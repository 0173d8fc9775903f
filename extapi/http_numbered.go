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

// numbering gives out the ids of a request over HTTP, or of a message of a WebSocket: of
// the first call or error its own, of further ones that and a number from 2.
type numbering struct {
	id    string
	given atomic.Int64
}

func (n *numbering) next() string {
	if given := n.given.Add(1); given > 1 {
		return fmt.Sprintf("%s-%d", n.id, given)
	}
	return n.id
}

// origin is what a context came from: the request, or a call of a batch,
// whose id was given to it and is its first decision's.
type origin struct {
	of   *numbering
	id   string
	kept atomic.Bool // the id was given, and to no decision yet
}

func (p *origin) next() string {
	if p.kept.CompareAndSwap(true, false) {
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
	of := &numbering{id: newRequestID()}
	return context.WithValue(ctx, originKey{}, &origin{of: of, id: of.id})
}

// NumberedCall gives a call of a batch an id of its own, among those of the request or
// message of the context.
func NumberedCall(ctx context.Context) context.Context {
	batch := originOf(ctx)
	if batch == nil {
		return NumberedContext(ctx)
	}
	at := &origin{of: batch.of, id: batch.next()}
	at.kept.Store(true)
	return context.WithValue(ctx, originKey{}, at)
}

// Unnumbered returns a context for what is no part of the answer to a request over HTTP,
// such as the WebSocket that it opens.
func Unnumbered(ctx context.Context) context.Context {
	return context.WithValue(ctx, originKey{}, (*origin)(nil))
}

// nextID returns the id of a decision, or of an error of a batch. No two have the same,
// whether they are of several calls or of one whose transaction is signed anew with
// another nonce.
func nextID(ctx context.Context) string {
	if at := originOf(ctx); at != nil {
		return at.next()
	}
	return newRequestID()
}

// newRequestID returns an id that no other request has: 128 random bits, in 26 letters and
// digits.
func newRequestID() string { return rand.Text() }

// uncalled reports whether a request over HTTP led to nothing that has an id.
func uncalled(ctx context.Context) bool {
	at := originOf(ctx)
	return at != nil && at.of.given.Load() == 0
}

// HTTPRequestID returns the id of the request, message or call of a batch that a context
// is of, see [Numbered], [NumberedContext] and [NumberedCall]; "" if it has none.
func HTTPRequestID(ctx context.Context) string {
	if at := originOf(ctx); at != nil {
		return at.id
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
