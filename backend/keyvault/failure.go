package keyvault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kvclef/kvclef/backend"
)

// failure is a failed request, with what it means for the next one.
type failure struct {
	backend.Error
	fault   fault
	retry   bool // may pass when tried again
	stale   bool // a new credential and client may help
	verdict verdict
}

// panicError is a panic of the SDK, which it raises for instance at an
// authentication challenge without a tenant.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("the Azure SDK panicked: %v", e.value) }

// classify turns the error of one request into a failure: what to tell, what
// to do, and whether it is certain that nothing was signed. ctx is the call's;
// seen is the trace of the request.
func (v *Vault) classify(ctx context.Context, op operation, err error, seen *trace) *failure {
	f := &failure{}
	f.Cause = err
	var token *tokenError
	var panicked *panicError
	var foreign *foreignHostError
	answer, answered := asFault(err)
	authorized := seen.authorized.Load()
	if !errors.As(err, &token) && !authorized {
		token = seen.token.Load() // the SDK reports a deadline in its place
	}
	f.RequestID = seen.requestID()
	switch {
	case token != nil:
		f.RequestID = "" // it is not a request to the vault that failed
		v.classifyToken(f, token)
		if ctx.Err() != nil {
			v.classifyEnded(ctx, f)
		}
	case answered:
		f.fault, f.RequestID = answer, answer.requestID
		v.classifyAnswer(f, op)
	case ctx.Err() != nil:
		v.classifyEnded(ctx, f)
		if time.Since(seen.began) >= v.cfg.TryTimeout*3/4 {
			f.verdict = outage
		}
	case errors.As(err, &panicked):
		f.Kind, f.verdict = backend.KindUnavailable, inconclusive
		f.Message = v.of("the answer of %s can't be read, its authentication challenge is malformed: check the URL and what stands between")
	case errors.As(err, &foreign):
		f.Kind, f.verdict, f.NotSigned = backend.KindInvalid, alive, true
		f.Message = v.of("%s") + fmt.Sprintf(" refers to another host (%s), which gets no token: check the URL and what stands between", printable(foreign.host))
	case certificateError(err):
		f.Kind, f.verdict, f.NotSigned = backend.KindUnavailable, inconclusive, true
		f.Message = v.of("the certificate of %s is not trusted: check the URL, or set the CA file if a proxy replaces certificates")
	default:
		v.classifyTransport(f, err)
	}
	f.NotSigned = f.NotSigned || !authorized
	return f
}

// classifyEnded is about a request whose call ended before it. That says nothing
// about the vault, unless it had about the time that any request has: the time for
// the whole call may be set no longer than that for one request.
func (v *Vault) classifyEnded(ctx context.Context, f *failure) {
	f.verdict, f.retry, f.stale = inconclusive, false, false
	if errors.Is(context.Cause(ctx), errBudget) {
		f.Kind, f.Message = backend.KindUnavailable, v.of("%s did not answer in the time allowed")
		return
	}
	f.Kind, f.Message = backend.KindCanceled, v.of("the request to %s was given up before its answer")
}

func (v *Vault) classifyTransport(f *failure, err error) {
	var dial *net.OpError
	var name *net.DNSError
	f.Kind, f.verdict, f.retry = backend.KindUnavailable, outage, true
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		f.Message, f.NotSigned = v.of("the host of %s is unknown: check the URL and the name service"), true
	case errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect"):
		f.Message, f.NotSigned = v.of("%s can't be reached: check the network, the proxy and the vault's firewall"), true
	case errors.Is(err, context.DeadlineExceeded):
		f.Message = v.of("%s does not answer") + fmt.Sprintf(" within %v", v.cfg.TryTimeout)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		f.Message = v.of("the answer of %s broke off")
	case isUnreadable(err):
		f.Kind, f.verdict, f.retry = backend.KindInvalid, alive, false
		f.Message = v.of("the answer of %s can't be read: check the URL and what stands between")
	case isChallenge(err):
		f.Kind, f.verdict, f.retry = backend.KindForbidden, inconclusive, false
		f.Message = v.of("%s asks for a token of another service: check the URL, and the custom endpoint setting")
	default:
		f.Message = v.of("the connection to %s broke")
	}
}

// classifyAnswer maps (status, code, inner code) to a message that says what
// to do.
func (v *Vault) classifyAnswer(f *failure, op operation) {
	f.verdict = alive
	f.NotSigned = f.fault.refuses()
	switch status := f.fault.status; {
	case status == http.StatusUnauthorized:
		f.Kind, f.stale = backend.KindForbidden, true
		f.Message = v.of("%s rejects the token it asked for: check that the credential is of the vault's tenant")
	case status == http.StatusForbidden:
		f.Kind, f.Message = backend.KindForbidden, v.forbidden(f.fault, op)
	case status == http.StatusNotFound && op.id.name == "":
		f.Kind, f.Message = backend.KindNotFound, v.of("%s answers that it is not there: check the URL")
	case status == http.StatusNotFound:
		f.Kind, f.Message = backend.KindNotFound, v.of(op.subject()+" is not in %s: it was deleted, or never was there")
	case status == http.StatusConflict:
		f.Message = v.of(op.subject() + " is being changed in %s, or a deleted key has its name: wait, or recover or purge that one")
	case status == http.StatusTooManyRequests:
		f.Kind, f.retry = backend.KindBusy, true
		f.RetryAfter = f.fault.after
		f.Message = v.of("%s is busy, its request limit is reached")
	case status >= 500 || status == http.StatusRequestTimeout:
		f.Kind, f.retry, f.verdict = backend.KindUnavailable, true, outage
		f.RetryAfter = f.fault.after
		f.Message = v.of("%s is out of order") + " (" + f.fault.describe() + ")"
	case status >= 300 && status < 400:
		f.Kind = backend.KindUnavailable
		f.Message = v.of("%s answers with a redirect, as no vault does: check the URL and what stands between")
	case f.fault.code == "" && status != http.StatusBadRequest:
		f.Kind = backend.KindUnavailable
		f.Message = v.of("%s") + fmt.Sprintf(" answers with status %d, as no vault does, and may have done the request: check the URL and what stands between", status)
	default:
		f.Message = v.of("%s does not accept the request to "+op.verb+" "+op.subject()) + " (" + f.fault.describe() + ")"
	}
}

func (v *Vault) forbidden(answer fault, op operation) string {
	switch answer.inner {
	case "ForbiddenByRbac":
		return v.of("no role lets this identity " + op.verb + " " + op.subject() + " in %s: assign one with " + op.right() + ", such as " + op.role(v.endpoint.hsm) + " (new assignments take minutes)")
	case "AccessDenied", "ForbiddenByPolicy":
		return v.of("the access policy of %s does not let this identity " + op.verb + " " + op.subject() + ": add the key permission " + op.permission)
	case "ForbiddenByFirewall", "ForbiddenByConnection":
		return v.of("the firewall of %s refuses this machine: allow its address, or use the private endpoint")
	case "KeyDisabled":
		return v.of(op.subject() + " is disabled in %s: enable it or remove it from keys")
	}
	switch {
	case answer.code == "":
		return v.of("something in front of %s refuses the request, not the vault itself: check its firewall and the proxy")
	case answer.mentions("disabled"):
		return v.of(op.subject() + " is disabled in %s: enable it or remove it from keys")
	case answer.mentions("expired", "not yet valid", "not before", "nbf", "validity"):
		return v.of(op.subject() + " is outside its validity dates in %s: change them or remove it from keys")
	case answer.mentions("key_ops", "key operation", "not permitted on this key", "operation is not permitted"):
		return v.of("the permitted operations of " + op.subject() + " in %s do not include " + op.verb + ": add it or remove the key from keys")
	}
	return v.of("%s does not let this identity "+op.verb+" "+op.subject()) + " (" + answer.describe() + "): grant " + op.right()
}

// isUnreadable recognises the SDK's error for an answer that is not what its
// model says; the SDK does not wrap the cause.
func isUnreadable(err error) bool { return strings.Contains(err.Error(), "unmarshalling type") }

// isChallenge recognises the SDK's errors for an authentication challenge that
// is not one of a Key Vault at this host. They have no type of their own, and
// the SDK's mark for errors that must not be retried is on others, too.
func isChallenge(err error) bool {
	text := err.Error()
	return strings.Contains(text, "challenge resource ") || strings.Contains(text, "WWW-Authenticate header")
}

// of puts the vault's name into a message.
func (v *Vault) of(format string) string { return fmt.Sprintf(format, "vault "+v.cfg.Name) }

// retryAfter reads how long the vault asks to wait: retry-after-ms,
// x-ms-retry-after-ms, or Retry-After in seconds or as a date. 0: it does not
// say. More than a minute counts as a minute: one odd header must not stop a
// signer for long.
func retryAfter(resp *http.Response) time.Duration {
	if resp == nil {
		return 0
	}
	wait := time.Duration(0)
	for _, header := range []struct {
		name string
		unit time.Duration
	}{{"retry-after-ms", time.Millisecond}, {"x-ms-retry-after-ms", time.Millisecond}, {"Retry-After", time.Second}} {
		value := resp.Header.Get(header.name)
		if n, err := strconv.ParseUint(value, 10, 31); err == nil && n > 0 {
			wait = time.Duration(n) * header.unit
			break
		}
		if date, err := http.ParseTime(value); err == nil {
			wait = time.Until(date)
			break
		}
	}
	return min(max(wait, 0), time.Minute)
}

// asError returns the part of a failure that callers see.
func (f *failure) asError() *backend.Error {
	e := f.Error
	return &e
}
