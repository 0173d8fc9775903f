package sending_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// vault holds keys in memory, and approves everything.
type vault map[common.Address]*ecdsa.PrivateKey

func newVault(t *testing.T, n int) (keys vault, accounts []common.Address) {
	t.Helper()
	keys = make(vault)
	for range n {
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		account := crypto.PubkeyToAddress(key.PublicKey)
		keys[account] = key
		accounts = append(accounts, account)
	}
	return keys, accounts
}

func (v vault) Accounts() (accounts []rules.Account) {
	for account := range v {
		accounts = append(accounts, rules.Account{Address: account})
	}
	return accounts
}

func (v vault) holds(_ context.Context, account common.Address) bool { return v[account] != nil }

func (v vault) Find(_ context.Context, account common.Address) (rules.Account, bool) {
	return rules.Account{Address: account}, v[account] != nil
}

func (v vault) Sign(_ context.Context, account common.Address, digest common.Hash) (extapi.Signed, error) {
	signature, err := crypto.Sign(digest[:], v[account])
	if err != nil {
		return extapi.Signed{}, err
	}
	return extapi.Signed{Signature: [65]byte(signature)}, nil
}

func (v vault) Decide(context.Context, *rules.Request) (rules.Decision, error) {
	return rules.Decision{Verdict: rules.Approve, Rule: "test"}, nil
}

func (v vault) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error {
	return nil
}

func (v vault) Append(context.Context, audit.Entry) error { return nil }

// stage is a geth with an outbox in front of it.
type stage struct {
	node     *devnet.Node
	keys     vault
	accounts []common.Address
	*outbox.Outbox
}

// newStage starts one with funded accounts.
func newStage(t *testing.T, accounts int) *stage {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	geth, err := devnet.Geth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := new(stage)
	s.keys, s.accounts = newVault(t, accounts)
	s.node, err = devnet.Start(t.Context(), devnet.Config{Geth: geth, Dir: t.TempDir(), Funded: s.accounts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.node.Stop(); err != nil {
			t.Error(err)
		}
	})
	s.Outbox = s.outbox(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return s
}

// outbox makes another outbox with the same keys and node, and records of its own.
func (s *stage) outbox(t *testing.T) *outbox.Outbox {
	t.Helper()
	chains := []*big.Int{big.NewInt(devnet.ChainID)}
	account, err := extapi.NewAccount(extapi.Config{Decider: s.keys, Signer: s.keys, Auditor: s.keys, ChainIDs: chains, Advanced: true})
	if err != nil {
		t.Fatal(err)
	}
	box, err := outbox.New(t.Context(), outbox.Config{
		Records: memory.NewRecords(), Signer: extapi.NewSignatory(account), Node: s.node.RPC(), ChainIDs: chains, Holds: s.keys.holds,
		Interval: 200 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return box
}
