package keyvault

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// tokenError is a failure to get a token, as opposed to one of the vault. It
// holds what the SDK's error said and not that error: several requests may get
// the same one, and the SDK's is not safe for concurrent use.
type tokenError struct {
	text       string        // one line, for the log
	status     int           // of Entra's answer; 0: there was none
	code       string        // its AADSTS number, without the letters
	retryAfter time.Duration // 0: it does not say
	transport  error         // of the last request that got no answer, if there was one
	timeout    bool          // there was no answer in time
}

func (e *tokenError) Error() string { return e.text }

func newTokenError(err error, seen *trace) *tokenError {
	e := &tokenError{text: oneLine(err.Error()), timeout: errors.Is(err, context.DeadlineExceeded)}
	if transport := seen.transport.Load(); transport != nil {
		e.transport = *transport
	}
	var failed *azidentity.AuthenticationFailedError
	if errors.As(err, &failed) && failed.RawResponse != nil {
		e.status, e.retryAfter = failed.RawResponse.StatusCode, retryAfter(failed.RawResponse)
		if body, err := runtime.Payload(failed.RawResponse); err == nil {
			e.code = parseEntraCode(body)
		}
	}
	return e
}

// tokens passes on the tokens of a credential. It answers a failure again for
// a while without asking: the SDK makes every waiting request ask in its turn,
// which would be a storm of token requests when Entra refuses. And it bounds a
// refresh ahead of time, so that a slow Entra does not eat up the whole time of
// the request that happens to do it while the old token is still good.
type tokens struct {
	inner azcore.TokenCredential
	pause time.Duration // after the first failure
	early time.Duration // allowed for a refresh ahead of time

	mu       sync.Mutex
	expires  time.Time // of the last token
	failure  *tokenError
	until    time.Time // failure is answered until then
	failures int
}

// GetToken implements azcore.TokenCredential.
func (t *tokens) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t.mu.Lock()
	now := time.Now()
	if t.failure != nil && now.Before(t.until) {
		defer t.mu.Unlock()
		traceOf(ctx).token.Store(t.failure)
		return azcore.AccessToken{}, t.failure
	}
	early := t.expires.After(now.Add(t.early))
	t.mu.Unlock()

	asking := ctx
	if early {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(ctx, t.early)
		defer cancel()
	}
	token, err := t.inner.GetToken(asking, options)

	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.expires, t.failure, t.failures = token.ExpiresOn, nil, 0
		return token, nil
	}
	failure := newTokenError(err, traceOf(ctx))
	traceOf(ctx).token.Store(failure)
	// A caller that gave up says nothing about the credential.
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		t.failure, t.until = failure, time.Now().Add(t.pause<<min(t.failures, 4))
		t.failures++
	}
	return azcore.AccessToken{}, failure
}
