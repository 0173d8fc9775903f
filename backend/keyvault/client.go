package keyvault

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

const applicationID = "kvclef"

// clients holds the one client of a vault, and replaces it together with its
// credential when the vault rejects a live token or Entra rejects the secret:
// the SDK would serve the rejected token until it expires.
type clients struct {
	build   func() (*azkeys.Client, error)
	warm    func(ctx context.Context, client *azkeys.Client) // gets token and connection
	every   time.Duration
	logger  *slog.Logger
	current atomic.Pointer[azkeys.Client]
	turn    chan struct{} // holds one element: whoever takes it may replace the client
	renewed time.Time     // guarded by turn
}

// renew replaces the client that a caller found to be stale, once for all
// callers that found the same, and reports whether there is another one now.
func (c *clients) renew(ctx context.Context, stale *azkeys.Client) bool {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return false
	}
	defer func() { c.turn <- struct{}{} }()
	if c.current.Load() != stale {
		return true
	}
	if time.Since(c.renewed) < c.every {
		return false
	}
	c.renewed = time.Now()
	next, err := c.build()
	if err != nil {
		c.logger.Error("building the vault's credential anew", "error", err)
		return false
	}
	c.warm(ctx, next)
	c.current.Store(next)
	c.logger.Info("built the vault's credential and client anew")
	return true
}

// newClient makes the SDK's client. Retries are this package's own business:
// the SDK's would hide a 429 behind a bare deadline.
func newClient(e endpoint, cfg Config, tune tuning, transport *transports) (*azkeys.Client, error) {
	cred, err := cfg.Credential.build(e, transport, cfg.TryTimeout, tune.tokenRetry)
	if err != nil {
		return nil, err
	}
	guarded := &tokens{inner: cred, pause: tune.tokenPause, early: cfg.TryTimeout / 2}
	return azkeys.NewClient(e.url, guarded, &azkeys.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport:       transport.vault,
			Retry:           policy.RetryOptions{MaxRetries: -1},
			Telemetry:       policy.TelemetryOptions{ApplicationID: applicationID},
			PerCallPolicies: []policy.Policy{sameHostOnly{e.host}},
			TracingProvider: cfg.Tracing,
		},
		DisableChallengeResourceVerification: e.custom,
	})
}
