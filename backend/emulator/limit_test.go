package emulator_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestLimit: azkeys without retries meets 429 as soon as a vault has taken what it
// takes in a window that outlasts the test, and not before.
func TestLimit(t *testing.T) {
	for name, c := range map[string]struct {
		flavor emulator.Flavor
		limit  emulator.Limit
		hsm    bool
		taken  int // signatures before the first 429
	}{
		"software key":      {emulator.KeyVault, emulator.Limit{Requests: 6, Window: time.Hour}, false, 6},
		"hardware key":      {emulator.KeyVault, emulator.Limit{Requests: 7, Window: time.Hour}, true, 3},
		"Managed HSM":       {emulator.ManagedHSM, emulator.Limit{Requests: 6, Window: time.Hour}, true, 6},
		"without a header":  {emulator.KeyVault, emulator.Limit{Requests: 2, Window: time.Hour, Silent: true}, false, 2},
		"there is no limit": {emulator.KeyVault, emulator.Limit{}, false, 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "one", Flavor: c.flavor, Limit: c.limit}, {Name: "two"}}})
			for _, vault := range []string{"one", "two"} {
				if _, err := s.CreateKeyWith(vault, "k", emulator.KeyOptions{HSM: c.hsm}); err != nil {
					t.Fatal(err)
				}
			}
			client, other := azClient(t, s, "one"), azClient(t, s, "two")
			for range c.taken {
				if err := signWith(t, client); err != nil {
					t.Fatal(err)
				}
			}
			if c.limit.Requests == 0 {
				return
			}
			for range 2 { // what is refused does not count
				throttledBy(t, signWith(t, client), c.limit)
			}
			_, err := client.GetKey(once(t), "k", "", nil)
			throttledBy(t, err, c.limit)
			if err := signWith(t, other); err != nil {
				t.Errorf("another vault: %v", err)
			}
			if n := s.Throttled(); n != 3 {
				t.Errorf("%d were throttled, want 3", n)
			}
			if s.ResetCounts(); s.Throttled() != 0 {
				t.Error("the count is not reset")
			}
		})
	}
}

// once returns a context without the client's own retries.
func once(t *testing.T) context.Context {
	return policy.WithRetryOptions(t.Context(), policy.RetryOptions{MaxRetries: -1})
}

// signWith signs once.
func signWith(t *testing.T, client *azkeys.Client) error {
	t.Helper()
	_, err := client.Sign(once(t), "k", "", azkeys.SignParameters{
		Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256K), Value: digestOf("x"),
	}, nil)
	return err
}

// throttledBy checks an answer beyond a limit.
func throttledBy(t *testing.T, err error, limit emulator.Limit) {
	t.Helper()
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) || answer.StatusCode != http.StatusTooManyRequests || answer.ErrorCode != "Throttled" {
		t.Fatalf("got %v, want 429", err)
	}
	if after := answer.RawResponse.Header.Get("Retry-After"); (after == "") != limit.Silent {
		t.Errorf("Retry-After is %q", after)
	}
}

// TestLimitIsObeyed: the client's own retries, by what the answer tells, get all of
// the requests through.
func TestLimitIsObeyed(t *testing.T) {
	s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "dev", Limit: emulator.Limit{Requests: 4, Window: 200 * time.Millisecond}}}})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		t.Fatal(err)
	}
	client := azClient(t, s, "dev")
	for range 3 * 4 {
		if _, err := client.Sign(t.Context(), "k", "", azkeys.SignParameters{
			Algorithm: to.Ptr(azkeys.SignatureAlgorithmES256K), Value: digestOf("x"),
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestThrottledRequestsDoNothing: what is beyond the limit is neither done nor taken
// for a fault that waits for a request.
func TestThrottledRequestsDoNothing(t *testing.T) {
	signed := 0
	s := start(t, emulator.Options{
		Vaults:  []emulator.VaultOptions{{Name: "dev", Limit: emulator.Limit{Requests: 1, Window: time.Hour}}},
		Signing: func([]byte) { signed++ },
	})
	if _, err := s.CreateKey("dev", "k"); err != nil {
		t.Fatal(err)
	}
	client := azClient(t, s, "dev")
	if err := signWith(t, client); err != nil {
		t.Fatal(err)
	}
	s.Inject(emulator.Fault{Kind: emulator.FaultServerError, Times: 1})
	throttledBy(t, signWith(t, client), emulator.Limit{})
	if signed != 1 {
		t.Errorf("%d were signed", signed)
	}
}
