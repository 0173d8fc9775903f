package rules

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// holds are what several keep aside for one decision.
type holds []Hold

// joined returns one hold of those that are not nil.
func joined(all ...Hold) Hold {
	var h holds
	for _, hold := range all {
		if hold != nil {
			h = append(h, hold)
		}
	}
	if len(h) == 1 {
		return h[0]
	}
	return h
}

// Drop forgets all.
func (h holds) Drop() {
	for _, hold := range h {
		hold.Drop()
	}
}

// settleTimeout is how long what was kept has to be told that nothing was signed.
const settleTimeout = 10 * time.Second

// Keep makes all durable, in their order. If one can't be, those before it are
// told that nothing was signed.
func (h holds) Keep(ctx context.Context) error {
	for i, hold := range h {
		if err := kept(ctx, hold); err != nil {
			h[i+1:].Drop()
			return errors.Join(err, h[:i].undo(ctx))
		}
	}
	return nil
}

// undo tells all that nothing was signed. It may be that there is no time left: that must not
// cost what people have approved.
func (h holds) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return h.settle(ctx, nil, Result{Outcome: NotSigned})
}

// kept makes one durable. One that panics has kept nothing.
func kept(ctx context.Context, hold Hold) (err error) {
	defer crashed("a rule", &err)
	return hold.Keep(ctx)
}

// crashed is deferred: a panic is an error, so that who called goes on with what
// must be done.
func crashed(what string, err *error) {
	if crash := recover(); crash != nil {
		*err = fmt.Errorf("%s crashed: %v\n%s", what, crash, debug.Stack())
	}
}

// Settle tells all what became of the request.
func (h holds) Settle(ctx context.Context, req *Request, result Result) error {
	return h.settle(ctx, req, result)
}

func (h holds) settle(ctx context.Context, req *Request, result Result) error {
	var failures []error
	for _, hold := range h {
		failures = append(failures, settle(ctx, hold, req, result))
	}
	return errors.Join(failures...)
}
