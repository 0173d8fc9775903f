package extapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/kvclef/kvclef/extapi/callers"
	"github.com/kvclef/kvclef/rules"
)

// DefaultMaxWait is how long a request may wait for its turn at a vault.
const DefaultMaxWait = 10 * time.Second

// Queue is a [Signer] whose vaults have a bounded rate, so that requests wait for
// their turn.
type Queue interface {
	// Queue waits for a turn at a vault of an address. Callers take turns, each as
	// many in a round as its weight says. An error with a method RetryAfter tells,
	// at once, that the turn would come after the context's deadline. The place is
	// nil where there is nothing to wait for.
	Queue(ctx context.Context, address common.Address, caller string, weight int) (Place, error)
}

// Place is a turn at a vault.
type Place interface {
	// Into returns a context by which Sign uses the turn.
	Into(ctx context.Context) context.Context

	// Leave gives the turn back unless it was used. It may be called more than once.
	Leave()
}

// What is shed, as the log names it.
const (
	shedBounds = "request: over the caller's bounds"
	shedQueue  = "request: no turn at the vault in time"
)

// shedError is an error of a request that was turned away before anything was
// decided, held or recorded.
type shedError struct {
	error
	why string
}

// Unwrap returns the cause.
func (e shedError) Unwrap() error { return e.error }

// NotSigned is always true.
func (shedError) NotSigned() bool { return true }

// stay is a request's stay within its caller's bounds.
type stay struct {
	mu    sync.Mutex
	of    *callers.Visit // nil: it was not let in yet
	ended bool
}

// enter lets the request in if its caller is within its bounds, until it is
// finished. What is a part of another request is counted with it.
func (c *call) enter(ctx context.Context) error {
	v := &callOf(ctx).visit
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of != nil || v.ended {
		return nil
	}
	name, principal := callerName(ctx)
	of, err := c.account.desk.Enter(name, principal)
	if err != nil {
		return shedError{err, shedBounds}
	}
	v.of = of
	return nil
}

func (v *stay) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.ended {
		v.ended = true
		v.of.Leave()
	}
}

// callerName returns what a caller's requests are counted by: its principal, or the
// listener where nobody is known.
func callerName(ctx context.Context) (name, principal string) {
	caller, principal := whoAsks(ctx)
	if principal == "" || principal == Anonymous {
		return principal + " on " + caller.Transport, principal
	}
	return principal, principal
}

// visitOf returns the visit of a context, nil if it is of none.
func visitOf(ctx context.Context) *callers.Visit {
	c := callOf(ctx)
	if c == nil {
		return nil
	}
	c.visit.mu.Lock()
	defer c.visit.mu.Unlock()
	return c.visit.of
}

// queue waits for a turn at the vault of an address, and returns a context by which
// it is used. Nothing waits that needs no vault. A request that then waits for
// something else gives its turn back.
func (s *Service) queue(ctx context.Context, address common.Address, digest common.Hash, known bool) (_ context.Context, leave func(), err error) {
	queue, ok := s.signer.(Queue)
	if !ok || !known || s.given.remembers(address, digest) {
		return ctx, func() {}, nil
	}
	name, _ := callerName(ctx)
	waiting, cancel := s.patience(ctx)
	defer cancel()
	waiting, done := step(waiting, StepQueue)
	place, err := queue.Queue(waiting, address, name, visitOf(ctx).Weight())
	done(err)
	var busy interface{ RetryAfter() time.Duration }
	switch {
	case errors.As(err, &busy) && busy.RetryAfter() > 0:
		return ctx, nil, shedError{err, shedQueue}
	case err != nil && ctx.Err() != nil:
		return ctx, nil, shedError{fmt.Errorf("waiting for a turn at the vault: %w", ctx.Err()), shedQueue}
	case err != nil && waiting.Err() != nil:
		return ctx, nil, shedError{&callers.BusyError{Text: "busy: no turn at the vault came in time", After: time.Second}, shedQueue}
	case err != nil || place == nil:
		return ctx, func() {}, nil // what is wrong, signing tells
	}
	return rules.OnWaits(place.Into(ctx), place.Leave), place.Leave, nil
}

// patience returns a context that ends when waiting for a turn makes no more sense.
func (s *Service) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(s.maxWait)
	if known, ok := ctx.Value(answeringKey{}).(*answering); ok {
		if answer := known.until.Load(); answer != nil && answer.Add(-2*answerMargin).Before(until) {
			until = answer.Add(-2 * answerMargin)
		}
	}
	return context.WithDeadline(ctx, until)
}

// Work that a request is beside the ordinary, in time of one processor.
const (
	authorizationWork = 60 * time.Microsecond // recovering its signer
	blobWork          = 3 * time.Millisecond  // checking its proof
	cellsWork         = 30 * time.Millisecond // checking its cell proofs
	proofWork         = 65 * time.Millisecond // computing commitment and proof
	cellProofWork     = 330 * time.Millisecond
)

// work counts work that is about to be done for the caller.
func work(ctx context.Context, of time.Duration) error {
	if err := visitOf(ctx).Work(of); err != nil {
		return shedError{err, shedBounds}
	}
	return nil
}

// workOf estimates what the authorizations and blobs of a transaction are.
func workOf(args *TransactionArgs) time.Duration {
	each := blobWork
	switch {
	case args.Proofs == nil && args.BlobVersion == 1:
		each = cellProofWork
	case args.Proofs == nil:
		each = proofWork
	case len(args.Proofs) >= kzg4844.CellProofsPerBlob:
		each = cellsWork
	}
	return time.Duration(len(args.Authorizations))*authorizationWork + time.Duration(len(args.Blobs))*each
}
