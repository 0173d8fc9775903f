package extapi

import (
	"context"

	"github.com/kvclef/kvclef/rules"
)

// Observer is told of every request: for metrics and traces. It never blocks, and
// nothing that it does changes what becomes of a request.
type Observer interface {
	// Begin is told of a request before it is looked at. The context that it returns
	// goes with the request.
	Begin(ctx context.Context, asked Asked) (context.Context, Observation)
}

// Observation is told how one request fares.
type Observation interface {
	// Step is told that a part of the work begins, and what it returns when that
	// part ends. The context is for the part.
	Step(ctx context.Context, step Step) (context.Context, func(error))

	// End is told once how the request ended.
	End(ending Ending)
}

// Asked is what is known of a request when it comes in. Nothing of it is what the
// caller wrote.
type Asked struct {
	ID        string // of the request, as in the log and the audit log
	Method    string // one that is answered here
	Principal string // as the listener proves it
	Transport string

	// TraceParent is the W3C traceparent header of a caller who has proven who they
	// are, as it came; "" is none.
	TraceParent string
}

// Step is a part of the work on a request.
type Step string

// The steps, in their order.
const (
	StepQueue  Step = "queue"  // for a turn at the vault
	StepDecide Step = "decide" // by rules, limits and people
	StepRecord Step = "record" // in the audit log
	StepSign   Step = "sign"   // in a vault
	StepSettle Step = "settle"
)

// Steps returns all steps.
func Steps() []Step { return []Step{StepQueue, StepDecide, StepRecord, StepSign, StepSettle} }

// Ending is what became of a request.
type Ending struct {
	Judged  bool          // it came to a decision
	Asked   bool          // people were asked about it, now or before
	Verdict rules.Verdict // of the decision
	Kind    rules.Kind    // of what was judged
	ChainID string        // decimal, "" if there is none
	Rule    string        // that decided
	Vault   string        // of the account that was judged, "" if none is known

	Code int   // of JSON-RPC, as the caller is told; 0: the request was done
	Err  error // nil: it was done. It may hold what the caller wrote
}

// unobserved is told of requests that nobody observes.
type unobserved struct{}

// Step does nothing.
func (unobserved) Step(ctx context.Context, _ Step) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// End does nothing.
func (unobserved) End(Ending) {}

// Methods returns the methods of the namespaces that callers reach and that are
// observed, those in front of a node included.
func Methods() []string {
	return []string{
		"account_ecRecover", "account_list", "account_new", "account_signData", "account_signGnosisSafeTx",
		"account_signTransaction", "account_signTypedData",
		"eth_accounts", "eth_fillTransaction", "eth_requestAccounts", "eth_sendTransaction", "eth_sign", "eth_signTransaction",
		"eth_signTypedData", "eth_signTypedData_v3", "eth_signTypedData_v4",
		"opsigner_signBlockPayload", "opsigner_signBlockPayloadV2", "personal_sign",
	}
}

// Observers returns an observer that tells two. The first may put into the context what
// the second finds there.
func Observers(first, second Observer) Observer { return both{first, second} }

type both struct{ first, second Observer }

// Begin tells both.
func (b both) Begin(ctx context.Context, asked Asked) (context.Context, Observation) {
	ctx, first := b.first.Begin(ctx, asked)
	ctx, second := b.second.Begin(ctx, asked)
	return ctx, bothObservations{first, second}
}

type bothObservations struct{ first, second Observation }

// Step tells both.
func (b bothObservations) Step(ctx context.Context, step Step) (context.Context, func(error)) {
	ctx, first := b.first.Step(ctx, step)
	ctx, second := b.second.Step(ctx, step)
	return ctx, func(err error) {
		second(err)
		first(err)
	}
}

// End tells both.
func (b bothObservations) End(ending Ending) {
	b.second.End(ending)
	b.first.End(ending)
}
