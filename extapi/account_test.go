package extapi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// nobody is a signer without accounts.
type nobody struct{ *keySigner }

func (nobody) Accounts() []rules.Account { return nil }

// TestListingsSignNothing: as they should, so that no log says "not signed" of them, nor an
// account or a digest that they don't have.
func TestListingsSignNothing(t *testing.T) {
	var log bytes.Buffer
	kept := new(entries)
	account, _ := newTestAccount(t, func(cfg *Config) {
		cfg.Auditor, cfg.Logger = kept, slog.New(slog.NewTextHandler(&log, nil))
	})
	if _, err := account.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if said := log.String(); !strings.Contains(said, "outcome=listed") || strings.Contains(said, "account=") || strings.Contains(said, "digest=") || strings.Contains(said, "not signed") {
		t.Errorf("log:\n%s", said)
	}
	if last := kept.last(t, 1)[0]; last.Outcome != "listed" || last.Account != "" || last.Digest != "" {
		t.Errorf("entry %+v", last)
	}
}

func TestList(t *testing.T) {
	account, decider := newTestAccount(t, nil)
	var list []string
	if err := inProcess(t, account).CallContext(t.Context(), &list, "account_list"); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0] != "0x71562b71999873db5b286df957af199ec94617f7" {
		t.Errorf("accounts %v", list)
	}
	if req := decider.last(t); req.Kind != rules.KindList || req.Method != "account_list" {
		t.Errorf("request %+v", req)
	}
	if len(decider.outcomes) != 1 || decider.outcomes[0] != rules.NotSigned {
		t.Errorf("outcomes %v", decider.outcomes)
	}

	empty, _ := newTestAccount(t, func(cfg *Config) { cfg.Signer = nobody{newKeySigner(t)} })
	if addresses, err := empty.List(t.Context()); err != nil || addresses == nil || len(addresses) != 0 {
		t.Errorf("no accounts are %v (%v), want an empty list", addresses, err)
	}
	rejecting, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = &captureRules{rejectListing: true} })
	if _, err := rejecting.List(t.Context()); err == nil || err.Error() != "request denied" {
		t.Errorf("error %v, want request denied", err)
	}
}

// failingMaker makes no key.
type failingMaker struct{ err error }

func (m failingMaker) NewAccount(context.Context) (rules.Account, error) {
	return rules.Account{}, m.err
}

// TestNew: account_new is off by default, and decided when it is on.
func TestNew(t *testing.T) {
	call := func(cfg func(*Config)) (address common.Address, decider *captureRules, err error) {
		account, decider := newTestAccount(t, cfg)
		address, err = account.New(t.Context())
		return address, decider, err
	}
	_, decider, err := call(func(cfg *Config) { cfg.KeyMaker = nil })
	if err == nil || err.Error() != "account creation is off: name the vault for new keys in the signer's configuration" || decider.asked() != 0 {
		t.Errorf("off: %v, judged %d times", err, decider.asked())
	}
	maker := new(testMaker)
	if _, _, err := call(func(cfg *Config) { cfg.KeyMaker = maker }); err == nil || err.Error() != "request denied" || maker.calls != 0 {
		t.Errorf("rejected: %v, %d keys made", err, maker.calls)
	}
	approve := &approving{}
	address, _, err := call(func(cfg *Config) { cfg.KeyMaker, cfg.Decider = maker, approve })
	if err != nil || address != common.HexToAddress("0x1234") || maker.calls != 1 || approve.outcome != rules.Signed {
		t.Errorf("approved: %v (%v), %d keys made, outcome %v", address, err, maker.calls, approve.outcome)
	}
	if _, _, err := call(func(cfg *Config) {
		cfg.KeyMaker, cfg.Decider = failingMaker{errors.New("secret of the vault")}, approve
	}); err == nil || err.Error() != "internal error" || approve.outcome != rules.Unknown {
		t.Errorf("failed: %v, outcome %v", err, approve.outcome)
	}
	public := failingMaker{&failure{public: "vault kv-dev may not create keys", sure: true}}
	if _, _, err := call(func(cfg *Config) { cfg.KeyMaker, cfg.Decider = public, approve }); err == nil || err.Error() != "vault kv-dev may not create keys" || approve.outcome != rules.NotSigned {
		t.Errorf("refused by the vault: %v, outcome %v", err, approve.outcome)
	}
}

// approving approves everything and keeps the last outcome.
type approving struct {
	rules.ApproveAll
	outcome rules.Outcome
}

func (a *approving) Settle(_ context.Context, _ *rules.Request, _ rules.Decision, result rules.Result) error {
	a.outcome = result.Outcome
	return nil
}

// TestNoRulesSaysSo: a signer without rules lists and tells why it signs nothing.
func TestNoRulesSaysSo(t *testing.T) {
	account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = rules.NoRules{} })
	if addresses, err := account.List(t.Context()); err != nil || len(addresses) != 1 {
		t.Errorf("accounts %v (%v)", addresses, err)
	}
	if _, err := sign(t, inProcess(t, account), dynamicFee); err == nil || err.Error() != "request denied: no rules are configured, so nothing is signed" {
		t.Errorf("error %v", err)
	}
	if _, err := account.New(t.Context()); err == nil || err.Error() != "request denied: no rules are configured, so nothing is signed" {
		t.Errorf("error %v", err)
	}
}

func TestNewAccountRefusesConfigurations(t *testing.T) {
	if _, err := NewAccount(Config{}); err == nil {
		t.Error("an empty configuration is accepted")
	}
}
