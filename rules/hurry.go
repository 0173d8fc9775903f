package rules

import "context"

type hurryKey struct{}

// Hurry returns a context for a request that others wait for: where people must
// approve, it is told at once to come back.
func Hurry(ctx context.Context) context.Context { return context.WithValue(ctx, hurryKey{}, true) }

// Hurried reports whether a request can't wait for people.
func Hurried(ctx context.Context) bool {
	hurried, _ := ctx.Value(hurryKey{}).(bool)
	return hurried
}
