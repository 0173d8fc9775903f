package keyvault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend"
)

// errBudget is the cause of a context that this package's own deadline ended.
var errBudget = errors.New("the time allowed for a call to the vault has passed")

// budget gives a call its own deadline, a little before the caller's, so that
// the caller still hears why it failed.
func (v *Vault) budget(ctx context.Context) (context.Context, context.CancelFunc) {
	allowed := v.cfg.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		allowed = min(allowed, left-min(left/10, 250*time.Millisecond))
	}
	return context.WithTimeoutCause(ctx, allowed, errBudget)
}

// call sends one request to the vault and, when that fails in passing, sends
// it again a bounded number of times. Every request passes the gate and the
// circuit breaker. Errors are of type *backend.Error.
func call[T any](ctx context.Context, v *Vault, op operation, do func(context.Context, *azkeys.Client) (T, error)) (T, error) {
	ctx, cancel := v.budget(ctx)
	defer cancel()
	var zero T
	var last *failure
	certain, renewed := true, false
	attempts := v.tune.attempts
	if backend.HasFallback(ctx) {
		attempts = 1
	}
	for attempt := 1; ; {
		client := v.clients.current.Load()
		result, failed, sent := request(ctx, v, op, client, do)
		if failed == nil {
			v.retries.earn()
			return result, nil
		}
		if !sent && last != nil {
			break // what the vault said says more than why it was not asked again
		}
		last = failed
		certain = certain && failed.NotSigned
		if failed.stale && !renewed {
			renewed = true
			if v.clients.renew(ctx, client) {
				continue
			}
			break
		}
		wait := v.backoff(attempt, failed)
		again := sent && failed.retry && attempt < attempts && (failed.NotSigned || !op.once)
		if !again || !fits(ctx, wait) || !v.retries.spend() || !sleep(ctx, wait) {
			break
		}
		v.cfg.Observer.Retried(v.cfg.Name, op.permission)
		attempt++
	}
	answer := last.Error
	answer.NotSigned = certain
	withRetryAfter(&answer)
	v.report(ctx, op, last)
	return zero, &answer
}

// request sends one request, if gate and breaker let it.
func request[T any](ctx context.Context, v *Vault, op operation, client *azkeys.Client, do func(context.Context, *azkeys.Client) (T, error)) (result T, failed *failure, sent bool) {
	if wait, _ := v.breaker.blocked(); wait > 0 {
		return result, v.away(ctx, wait), false
	}
	if !turnOf(ctx).use(v, op.cost) {
		if ok, wait := v.wait(ctx, op.cost); !ok {
			return result, v.busy(ctx, wait), false
		}
	}
	// The turn comes first: those who have turns wait here for the one who probes,
	// so that one who probed and then waited for a turn would wait for them.
	probe, wait := v.breaker.enter(ctx)
	if wait > 0 {
		v.gate.giveBack(op.cost)
		return result, v.away(ctx, wait), false
	}
	verdict := inconclusive
	defer func() { v.breaker.leave(probe, verdict) }()
	began := time.Now()
	v.cfg.Observer.InFlight(v.cfg.Name, 1)
	defer func() {
		v.gate.leave(began, failed == nil)
		v.cfg.Observer.InFlight(v.cfg.Name, -1)
		v.cfg.Observer.Answered(ctx, v.cfg.Name, op.permission, statusOf(failed), time.Since(began))
	}()
	seen := &trace{began: began}
	result, err := try(context.WithValue(ctx, traceKey{}, seen), v.cfg.TryTimeout, client, do)
	if err == nil {
		verdict = alive
		return result, nil, true
	}
	failed = v.classify(ctx, op, err, seen)
	verdict = failed.verdict
	if failed.Kind == backend.KindBusy && failed.verdict == alive {
		failed.RetryAfter = v.gate.throttled(began, failed.RetryAfter)
	}
	return result, failed, true
}

// try runs one request of the SDK under its own deadline, and turns a panic of
// the SDK into an error.
func try[T any](ctx context.Context, timeout time.Duration, client *azkeys.Client, do func(context.Context, *azkeys.Client) (T, error)) (result T, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	return do(ctx, client)
}

// wait waits for a turn.
func (v *Vault) wait(ctx context.Context, cost int) (ok bool, retryAfter time.Duration) {
	v.cfg.Observer.Waiting(v.cfg.Name, 1)
	defer v.cfg.Observer.Waiting(v.cfg.Name, -1)
	return v.gate.enter(ctx, cost)
}

// busy is the failure of a request whose turn would come too late.
func (v *Vault) busy(ctx context.Context, wait time.Duration) *failure {
	v.cfg.Observer.HeldBack(v.cfg.Name, HeldByLimit)
	return v.refusal(ctx, backend.KindBusy, wait, v.of("%s is busy, its request limit is reached"))
}

// away is the failure of a request that the circuit breaker holds back.
func (v *Vault) away(ctx context.Context, wait time.Duration) *failure {
	v.cfg.Observer.HeldBack(v.cfg.Name, HeldByCircuit)
	return v.refusal(ctx, backend.KindUnavailable, wait, v.of("%s has not answered of late and is not asked now"))
}

// refusal is the failure of a request that was not sent.
func (v *Vault) refusal(ctx context.Context, kind backend.Kind, wait time.Duration, message string) *failure {
	f := &failure{}
	f.Kind, f.RetryAfter, f.Message, f.Cause = kind, wait, message, ctx.Err()
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errBudget) {
		f.Kind, f.RetryAfter, f.Message = backend.KindCanceled, 0, v.of("the request to %s was given up before it was sent")
	}
	f.NotSigned = true
	return f
}

// backoff is the wait before the next attempt: what the vault asks for, else
// doubling, with jitter so that requests that failed together part.
func (v *Vault) backoff(attempt int, f *failure) time.Duration {
	wait := v.tune.backoff << (attempt - 1)
	return max(f.RetryAfter, wait/2+rand.N(wait)) //nolint:gosec // jitter
}

// report logs a failure, with what support will ask for.
func (v *Vault) report(ctx context.Context, op operation, f *failure) {
	level := slog.LevelWarn
	switch {
	case op.quiet:
		level = slog.LevelDebug
	case f.Kind == backend.KindCanceled:
		level = slog.LevelInfo
	}
	attrs := []slog.Attr{
		slog.String("operation", op.verb), slog.String("subject", op.subject()), slog.String("reason", f.Message),
	}
	if f.fault.status != 0 {
		attrs = append(attrs, slog.Int("status", f.fault.status), slog.String("code", f.fault.code),
			slog.String("inner", f.fault.inner), slog.String("text", f.fault.message))
	} else if f.Cause != nil {
		attrs = append(attrs, slog.String("error", oneLine(f.Cause.Error())))
	}
	if f.RequestID != "" {
		attrs = append(attrs, slog.String("request", f.RequestID))
	}
	if f.RetryAfter > 0 {
		attrs = append(attrs, slog.Duration("retry_after", f.RetryAfter))
	}
	v.logger.LogAttrs(ctx, level, "the vault did not do a request", attrs...)
}

// withRetryAfter says in the message when to try again.
func withRetryAfter(e *backend.Error) {
	if e.RetryAfter > 0 {
		e.Message = fmt.Sprintf("%s: try again in %v", e.Message, max(e.RetryAfter.Round(time.Second), time.Second))
	}
}

// retryBudget keeps retries a fraction of the successes, so that an outage
// does not multiply the load: the bucket holds as many as may be in flight.
type retryBudget struct {
	mu     sync.Mutex
	tokens float64
	most   float64
}

func (b *retryBudget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *retryBudget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.most, b.tokens+0.1)
}
