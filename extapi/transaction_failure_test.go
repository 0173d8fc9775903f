package extapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// failure is an error of a signer.
type failure struct {
	public string
	after  time.Duration
	sure   bool
}

func (f *failure) Error() string             { return "secret of the vault" }
func (f *failure) Public() string            { return f.public }
func (f *failure) RetryAfter() time.Duration { return f.after }
func (f *failure) NotSigned() bool           { return f.sure }

// TestSignerErrors: what the caller, and what the decider is told of a failure.
func TestSignerErrors(t *testing.T) {
	for name, c := range map[string]struct {
		fail    error
		text    string
		code    int
		outcome rules.Outcome
	}{
		"public":   {&failure{public: "key treasury is disabled", sure: true}, "key treasury is disabled", -32000, rules.NotSigned},
		"busy":     {&failure{public: "vault kv-prod is busy", after: 1500 * time.Millisecond, sure: true}, "vault kv-prod is busy: retry after 2 s", -32005, rules.NotSigned},
		"internal": {errors.New("secret of the vault"), "internal error", -32000, rules.Unknown},
		"deadline": {fmt.Errorf("asking: %w", context.DeadlineExceeded), errTimeout.Error(), -32000, rules.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			signer := newKeySigner(t)
			signer.fail = c.fail
			account, decider := newTestAccount(t, func(cfg *Config) { cfg.Signer = signer })
			_, err := sign(t, inProcess(t, account), dynamicFee)
			var coded rpc.Error
			if !errors.As(err, &coded) || coded.Error() != c.text || coded.ErrorCode() != c.code {
				t.Errorf("error %v, want %d %q", err, c.code, c.text)
			}
			var data rpc.DataError
			if !errors.As(err, &data) {
				t.Fatalf("error %v has no data", err)
			}
			told, _ := data.ErrorData().(map[string]any)
			if id, _ := told["request"].(string); len(id) != 26 || (told["retryAfterSeconds"] != nil) != (c.code == codeBusy) {
				t.Errorf("error data %v", data.ErrorData())
			}
			if len(decider.outcomes) != 1 || decider.outcomes[0] != c.outcome {
				t.Errorf("outcomes %v, want %v", decider.outcomes, c.outcome)
			}
		})
	}
}

// liar signs with another key.
type liar struct{ *keySigner }

func (l liar) Sign(_ context.Context, _ common.Address, digest common.Hash) (Signed, error) {
	other, err := crypto.GenerateKey()
	if err != nil {
		return Signed{}, err
	}
	return signedBy(other, digest)
}

// panicker panics where a key is used.
type panicker struct{ *keySigner }

func (panicker) Sign(context.Context, common.Address, common.Hash) (Signed, error) {
	panic("secret")
}

func TestWrongSignatureIsNotPassedOn(t *testing.T) {
	for name, signer := range map[string]Signer{"of another key": liar{newKeySigner(t)}, "panic": panicker{newKeySigner(t)}} {
		account, _ := newTestAccount(t, func(cfg *Config) { cfg.Signer = signer })
		if _, err := sign(t, inProcess(t, account), dynamicFee); err == nil || err.Error() != "internal error" {
			t.Errorf("%s: error %v, want internal error", name, err)
		}
	}
}

// hangUp ends the caller's context when a decision is made, as a hang-up does.
type hangUp struct {
	*captureRules
	cancel context.CancelFunc
}

func (h hangUp) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	defer h.cancel()
	return h.captureRules.Decide(ctx, req)
}

// TestDeviation24HangUpIsRecorded: after the decision a caller who hangs up
// changes nothing, and the outcome is recorded.
func TestDeviation24HangUpIsRecorded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	decider := hangUp{new(captureRules), cancel}
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = decider })
	answer, err := account.SignTransaction(ctx, transactionArgs(t, dynamicFee), nil)
	if err != nil || answer == nil || ctx.Err() == nil {
		t.Fatalf("signing: %v (context: %v)", err, ctx.Err())
	}
	if len(decider.outcomes) != 1 || decider.outcomes[0] != rules.Signed {
		t.Errorf("outcomes %v, want signed", decider.outcomes)
	}
}

// transactionArgs are the arguments of a call in this process.
func transactionArgs(t *testing.T, call map[string]any) (args TransactionArgs) {
	t.Helper()
	raw, err := json.Marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &args); err != nil {
		t.Fatal(err)
	}
	return args
}
