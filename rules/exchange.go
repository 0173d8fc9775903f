package rules

import (
	"context"
	"sync/atomic"
)

// Exchangeable is a rule in whose place another one can be put while requests
// are judged: each is judged wholly by the one or by the other. What was decided
// stands, and is settled as it was held. It must hold a rule before it is used.
type Exchangeable struct {
	current atomic.Pointer[Rule]
}

// Exchange puts a rule in the place of the one before.
func (e *Exchangeable) Exchange(rule Rule) { e.current.Store(&rule) }

// Empty tells whether there is no rule yet.
func (e *Exchangeable) Empty() bool { return e.current.Load() == nil }

// Evaluate judges a request by the rule in force.
func (e *Exchangeable) Evaluate(ctx context.Context, req *Request) (Decision, Hold, error) {
	return (*e.current.Load()).Evaluate(ctx, req)
}

// Resume tells the rule in force of a request that people have approved. It may
// be another than the one that referred it, and then judges it by itself.
func (e *Exchangeable) Resume(ctx context.Context, req *Request, said Decision) (Hold, error) {
	resumer, ok := (*e.current.Load()).(Resumer)
	if !ok {
		return nil, nil
	}
	return resumer.Resume(ctx, req, said)
}
