package rules

import "context"

type waitsKey struct{}

// OnWaits returns a context for a request that has taken something others wait for,
// such as a turn at a vault. Do gives that back, and may be called more than once.
func OnWaits(ctx context.Context, do func()) context.Context {
	return context.WithValue(ctx, waitsKey{}, do)
}

// Waits is called when a request is about to wait for something else, for as long as
// that may take: for people, or for an equal request.
func Waits(ctx context.Context) {
	if do, ok := ctx.Value(waitsKey{}).(func()); ok {
		do()
	}
}
