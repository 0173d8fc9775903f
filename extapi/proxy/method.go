package proxy

import (
	"context"
	"encoding/json"
)

// Method answers a method that the proxy takes itself. Params are the request's,
// as they came, nil if absent. The context ends when the caller hangs up or
// [Config.MethodTimeout] is over; it knows the caller (extapi.WithCaller) and the
// idempotency key ([IdempotencyKey]). The result is encoded by encoding/json.
//
// The error may implement rpc.Error and rpc.DataError of go-ethereum; its text is
// told to the caller. A call without an id (a notification) is never run.
type Method func(ctx context.Context, params json.RawMessage) (any, error)

// idempotencyKey is the context's key of the caller's idempotency key.
type idempotencyKey struct{}

// maxIdempotencyKey bounds an idempotency key, in bytes.
const maxIdempotencyKey = 128

// IdempotencyKey returns what the caller sent as HTTP header Idempotency-Key or
// X-Idempotency-Key with the request of this context: 1 to 128 printable ASCII
// characters, "" if none. A call with another value is refused. It never comes
// over WebSocket.
func IdempotencyKey(ctx context.Context) string {
	key, _ := ctx.Value(idempotencyKey{}).(string)
	return key
}

// WithIdempotencyKey returns a context with an idempotency key, "" for none.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	if key == "" {
		return ctx
	}
	return context.WithValue(ctx, idempotencyKey{}, key)
}
