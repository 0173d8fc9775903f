package keyvault

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fastTuning keeps the proportions of the defaults at a fraction of the time.
func fastTuning() tuning {
	t := defaultTuning()
	t.backoff = 5 * time.Millisecond
	t.throttle = 20 * time.Millisecond
	t.renewEvery = 200 * time.Millisecond
	t.tokenRetry = 5 * time.Millisecond
	t.tokenPause = 50 * time.Millisecond
	t.outageSpan = 30 * time.Millisecond
	t.openFor = 20 * time.Millisecond
	return t
}

// start runs an emulator, by default with one Key Vault "kv-prod".
func start(t testing.TB, opts emulator.Options) *emulator.Server {
	t.Helper()
	if len(opts.Vaults) == 0 {
		opts.Vaults = []emulator.VaultOptions{{Name: "kv-prod"}}
	}
	s, err := emulator.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// config points at a vault by its genuine name, with all checks on.
func config(t testing.TB, s *emulator.Server, vault string) Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.CAPEM()) {
		t.Fatal("the emulator's CA is not PEM")
	}
	return Config{
		URL: s.VaultURL(vault), RootCAs: roots, DialContext: s.DialContext,
		Credential: Credential{Kind: "client-secret", TenantID: s.TenantID(), ClientID: s.ClientID(), Secret: NewSecret(s.ClientSecret())},
	}
}

// opened opens a vault for the length of a test.
func opened(t testing.TB, cfg Config, tune tuning) *Vault {
	t.Helper()
	v, err := open(t.Context(), cfg, tune)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// createKey makes a key in the emulator.
func createKey(t testing.TB, s *emulator.Server, name string, opts emulator.KeyOptions) emulator.Key {
	t.Helper()
	key, err := s.CreateKeyWith("kv-prod", name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func addressOf(key emulator.Key) common.Address { return crypto.PubkeyToAddress(*key.Public) }

// accountOf returns the account of an address, which must be there.
func accountOf(t testing.TB, v *Vault, address common.Address) backend.Account {
	t.Helper()
	for _, account := range v.Accounts() {
		if account.Address == address {
			return account
		}
	}
	t.Fatalf("vault %s has no account %s; it has %v", v.Name(), address, v.Accounts())
	return backend.Account{}
}

// mustSign signs and checks the signature by recovering its signer.
func mustSign(t testing.TB, ctx context.Context, v *Vault, account backend.Account, digest common.Hash) {
	t.Helper()
	signed, err := v.Sign(ctx, account, digest)
	if err != nil {
		t.Fatalf("signing with %s: %v", account.Key, err)
	}
	checkSignature(t, signed.Signature, account.Address, digest)
}

func checkSignature(t testing.TB, signature backend.Signature, want common.Address, digest common.Hash) {
	t.Helper()
	public, err := crypto.SigToPub(digest[:], signature[:])
	if err != nil {
		t.Fatalf("recovering the signer: %v", err)
	}
	if got := crypto.PubkeyToAddress(*public); got != want {
		t.Fatalf("signed by %s, want %s", got, want)
	}
	if !crypto.ValidateSignatureValues(signature[64], common.BytesToHash(signature[:32]).Big(), common.BytesToHash(signature[32:64]).Big(), true) {
		t.Fatalf("signature %x is not low-S with recovery id 0 or 1", signature)
	}
}

// logBuffer collects log lines of concurrent writers.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func asBackendError(t testing.TB, err error) *backend.Error {
	t.Helper()
	var failure *backend.Error
	if !errors.As(err, &failure) {
		t.Fatalf("error %T %v, want a *backend.Error", err, err)
	}
	return failure
}

// setRotation gives a key a policy that rotates it.
func setRotation(t testing.TB, v *Vault, name string) {
	t.Helper()
	_, err := v.clients.current.Load().UpdateKeyRotationPolicy(t.Context(), name, azkeys.KeyRotationPolicy{
		LifetimeActions: []*azkeys.LifetimeAction{{
			Action:  &azkeys.LifetimeActionType{Type: to.Ptr(azkeys.KeyRotationPolicyActionRotate)},
			Trigger: &azkeys.LifetimeActionTrigger{TimeAfterCreate: to.Ptr("P30D")},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}
