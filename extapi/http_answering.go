package extapi

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// answerMargin is how long after the rpc server's own answer to a call that takes
// too long a decision about it would be given up: never before it, so that the
// server's answer is the one that is told.
const answerMargin = 500 * time.Millisecond

type answeringKey struct{}

// answering is how long the caller of an HTTP request can wait for people. That is
// known when its message was read.
type answering struct {
	until atomic.Pointer[time.Time] // nil: not read yet
	batch atomic.Bool
}

// answered returns a request whose decisions know what is known of its caller.
func answered(r *http.Request) (*http.Request, *answering) {
	known := new(answering)
	return r.WithContext(context.WithValue(r.Context(), answeringKey{}, known)), known
}

// begin tells that the message was read.
func (p *answering) begin(timeout time.Duration, batch bool) {
	if p == nil {
		return
	}
	until := time.Now().Add(timeout + answerMargin)
	p.until.Store(&until)
	p.batch.Store(batch)
}

// patient returns the context of a decision. Whoever asks people has to be told of
// them before the rpc server tells it that there is no answer, and in a batch the
// next calls wait as well.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	known, ok := ctx.Value(answeringKey{}).(*answering)
	if !ok {
		return ctx, func() {}
	}
	if known.batch.Load() {
		ctx = rules.Hurry(ctx)
	}
	if until := known.until.Load(); until != nil {
		return context.WithDeadline(ctx, *until)
	}
	return ctx, func() {}
}
