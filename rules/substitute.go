package rules

import (
	"context"
	"encoding/json"
)

// Substitute is a transaction that people put in the place of the one they were
// asked about. It is a new request, which rules decide anew; the people who made
// it have approved it.
type Substitute struct {
	Transaction json.RawMessage // as account_signTransaction takes it
	By          Approver
}

type substituteKey struct{}

// WithSubstitute returns a context for the request that a substitute is made of.
func WithSubstitute(ctx context.Context, substitute *Substitute) context.Context {
	return context.WithValue(ctx, substituteKey{}, substitute)
}

// SubstituteOf returns the substitute that a request is made of, nil if it is made
// of none.
func SubstituteOf(ctx context.Context) *Substitute {
	substitute, _ := ctx.Value(substituteKey{}).(*Substitute)
	return substitute
}
