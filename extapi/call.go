package extapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// call is one request, from when its method is called until it is answered.
type call struct {
	account  *Account
	id       string
	method   string
	nested   bool // it is a part of another, which ends it
	observed Observation
	ending   Ending
	visit    stay
}

// callKey is the context's key of the call.
type callKey struct{}

// parentKey is the context's key of a trace that a request belongs to.
type parentKey struct{}

// maxTraceParent bounds a traceparent header, in bytes. Those of version 0 have 55.
const maxTraceParent = 128

// begin is called by every method. It gives the request its id.
func (a *Account) begin(ctx context.Context, method string) (context.Context, *call) {
	if of := callOf(ctx); of != nil {
		return ctx, &call{account: a, id: of.id, method: method, nested: true, observed: of.observed}
	}
	c := &call{account: a, id: nextID(ctx), method: method, observed: unobserved{}}
	ctx = context.WithValue(ctx, callKey{}, c)
	if a.observer != nil {
		caller, principal := whoAsks(ctx)
		parent, _ := ctx.Value(parentKey{}).(string)
		ctx, c.observed = a.observer.Begin(ctx, Asked{
			ID: c.id, Method: method, Principal: principal, Transport: caller.Transport, TraceParent: parent,
		})
	}
	return ctx, c
}

// callOf returns the call of a context, nil if it is of none.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// RequestID returns the id of the method's call that a context is of, under which it is decided; ""
// where no method runs. What the call came with has [OriginID].
func RequestID(ctx context.Context) string {
	if c := callOf(ctx); c != nil {
		return c.id
	}
	return ""
}

// WithTraceParent keeps the traceparent header of a caller who has proven who they
// are, for [Observer]. It is called when the context says who asks, and keeps
// nothing of anybody else.
func WithTraceParent(ctx context.Context, header http.Header) context.Context {
	parents := header.Values("Traceparent")
	if len(parents) != 1 || parents[0] == "" || len(parents[0]) > maxTraceParent {
		return ctx
	}
	if principal := PrincipalOf(ctx); principal == "" || principal == Anonymous {
		return ctx
	}
	return context.WithValue(ctx, parentKey{}, parents[0])
}

// step tells who observes the request that a part of the work begins.
func step(ctx context.Context, name Step) (context.Context, func(error)) {
	if c := callOf(ctx); c != nil {
		return c.observed.Step(ctx, name)
	}
	return ctx, func(error) {}
}

// judged keeps what was decided for who observes the request.
func judged(ctx context.Context, req *rules.Request, decision rules.Decision) {
	c := callOf(ctx)
	if c == nil {
		return
	}
	c.ending.Judged, c.ending.Verdict, c.ending.Rule = true, decision.Verdict, decision.Rule
	c.ending.Kind, c.ending.Vault, c.ending.ChainID = req.Kind, req.Account.Vault, chainText(req)
	c.ending.Asked = decision.Ticket != ""
}

// finish is deferred by every method: it turns a panic into a refusal, and an
// error into the one for the wire. What the caller isn't told is in the log.
// A request that never came to a decision is recorded here.
func (c *call) finish(ctx context.Context, err *error) {
	a := c.account
	if crash := recover(); crash != nil {
		a.log.ErrorContext(ctx, "Method crashed", "request_id", c.id, "method", c.method, "panic", crash, "stack", string(debug.Stack()))
		*err = errInternal
	}
	if c.nested {
		return
	}
	c.visit.leave()
	told := onWire(*err)
	var shed shedError
	switch {
	case errors.As(*err, &shed):
		a.log.DebugContext(ctx, "Turned away", slog.String("request_id", c.id), slog.String("method", c.method), slog.String("told", told.Error()))
		a.shed.add(shed.why, slog.String("request_id", c.id), slog.String("method", c.method), slog.String("principal", PrincipalOf(ctx)), slog.String("told", told.Error()))
	case told != nil:
		var judged judgedError
		if !errors.As(*err, &judged) {
			_ = a.service.record(ctx, refused(ctx, c.method, told)) // it is refused anyway
		}
		level := slog.LevelDebug
		if errors.Is(told, errInternal) || told.Error() != (*err).Error() {
			level = slog.LevelError
		}
		a.log.Log(ctx, level, "Method failed", "request_id", c.id, "method", c.method,
			"told", clipTo(told.Error(), loggedError), "error", clipTo((*err).Error(), loggedError))
	}
	c.ending.Err, c.ending.Code = *err, codeOf(told)
	c.observed.End(c.ending)
	*err = unclearIf(*err, withRequest(told, c.id))
}

// codeOf is the JSON-RPC code of an error, 0 if there is none.
func codeOf(err error) int {
	var coded rpc.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.ErrorCode()
	default:
		return codeDefault
	}
}
