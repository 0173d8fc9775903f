package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"runtime/debug"

	"github.com/kvclef/kvclef/extapi"
)

// route says where a call goes: to a method of our own, or nowhere, with the
// error that says why. Neither: to the node.
func (p *Proxy) route(m *message) (Method, *wireError) {
	if m.fault != "" {
		return nil, &wireError{code: codeInvalid, text: m.fault}
	}
	if p.access.denies(string(m.method)) {
		return nil, errUnknownMethod(m.method, reasonDenied)
	}
	if method := p.cfg.Methods[string(m.method)]; method != nil {
		if !m.current() {
			return nil, errInvalid
		}
		return method, nil
	}
	if !p.access.allows(string(m.method)) {
		return nil, errUnknownMethod(m.method, p.access.reason(string(m.method)))
	}
	return nil, nil
}

// passes reports whether every call goes to the node, so that the body can go
// as it is.
func (p *Proxy) passes(calls []message) bool {
	for i := range calls {
		if method, err := p.route(&calls[i]); method != nil || err != nil {
			return false
		}
	}
	return true
}

// answer answers a call that doesn't go to the node. A call without an id is not
// run: nobody would learn what came of it.
func (p *Proxy) answer(ctx context.Context, m *message, method Method, err *wireError) reply {
	switch {
	case m.notification():
		p.refused("notification: a call without id is never run", m.attr(), extapi.RequestAttr(ctx))
		return reply{outcome: OutcomeRefused}
	case err != nil:
		if err.code == codeUnknown {
			p.refused("method", m.attr(), slog.String("reason", err.reason), extapi.RequestAttr(ctx))
		}
		return reply{text: errorAnswer(m.id, p.refusal(ctx, err, m.attr())), outcome: err.Outcome()}
	case ctx.Err() != nil: // the caller is gone, or the connection was closed at the end: nobody reads it
		return reply{text: errorAnswer(m.id, errHungUp), outcome: errHungUp.Outcome()}
	}
	bounded, cancel := context.WithTimeout(ctx, p.cfg.MethodTimeout)
	defer cancel()
	result, failure := p.run(bounded, m, method)
	if failure == nil {
		return reply{text: resultAnswer(m.id, result), outcome: OutcomeOK}
	}
	p.log.DebugContext(ctx, "Method failed", m.attr(), slog.String("error", clipTo(failure.Error(), 256)), extapi.RequestAttr(ctx))
	told := withRequest(ctx, toldOf(failure))
	outcome := told.Outcome()
	if ctx.Err() != nil {
		outcome = OutcomeCanceled
	}
	return reply{text: errorAnswer(m.id, told), outcome: outcome}
}

// run runs a method and encodes its result. A panic is an internal error.
func (p *Proxy) run(ctx context.Context, m *message, method Method) (result json.RawMessage, err error) {
	defer func() {
		if crash := recover(); crash != nil {
			p.log.ErrorContext(ctx, "Method crashed", "method", string(m.method), "panic", crash, "stack", string(debug.Stack()))
			result, err = nil, errInternal
		}
	}()
	value, err := method(ctx, m.params)
	if err != nil {
		return nil, err
	}
	result, err = json.Marshal(value)
	if err != nil {
		p.log.ErrorContext(ctx, "Result can't be encoded", "method", string(m.method), "error", err)
		return nil, errInternal
	}
	return result, nil
}

// pushes reports whether a method begins or ends a subscription, which lives on
// one connection.
func pushes(m *message) bool {
	lower := bytes.ToLower(m.method)
	return bytes.HasSuffix(lower, []byte("_subscribe")) || bytes.HasSuffix(lower, []byte("_unsubscribe"))
}

// mixed answers calls in their order. Those for the node that come one after
// another go together.
func (p *Proxy) mixed(ctx context.Context, room *share, calls []message, batch bool) []byte {
	if batch && IdempotencyKey(ctx) != "" && p.handled(calls) > 1 {
		p.tally(calls).all(OutcomeRefused)
		return failCalls(calls, batch, p.refusal(ctx, errKeyInBatch))
	}
	replies := make([]reply, len(calls))
	for i := 0; i < len(calls); {
		method, err := p.route(&calls[i])
		if method == nil && err == nil && pushes(&calls[i]) {
			err = errMixedPush
			if !batch {
				err = errNoPush
			}
		}
		if method != nil || err != nil {
			tally := p.tally(calls[i : i+1])
			replies[i] = p.answer(numbered(ctx, batch), &calls[i], method, err)
			tally.replied(replies[i : i+1])
			i++
			continue
		}
		end := i + 1
		for end < len(calls) && p.forwards(&calls[end]) {
			end++
		}
		tally := p.tally(calls[i:end])
		copy(replies[i:end], p.node.ask(ctx, room, calls[i:end]))
		tally.replied(replies[i:end])
		for ; i < end; i++ {
			if err := replies[i].err; err != nil {
				replies[i].text = errorAnswer(calls[i].id, p.refusal(numbered(ctx, batch), err, calls[i].attr()))
			}
		}
	}
	return joinReplies(replies, batch)
}

// numbered is the context of a call, which in a batch has an id of its own.
func numbered(ctx context.Context, batch bool) context.Context {
	if batch {
		return extapi.NumberedCall(ctx)
	}
	return ctx
}

func (p *Proxy) forwards(m *message) bool {
	method, err := p.route(m)
	return method == nil && err == nil && !pushes(m)
}

func (p *Proxy) handled(calls []message) int {
	n := 0
	for i := range calls {
		if method, _ := p.route(&calls[i]); method != nil {
			n++
		}
	}
	return n
}
