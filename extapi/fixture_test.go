package extapi

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/rules"
)

// The well-known key of the captures, and the address captures send to.
const (
	testKeyHex    = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"
	testAddress   = "0x71562b71999873DB5b286dF957af199Ec94617F7"
	testRecipient = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
)

// keySigner signs with a key in memory.
type keySigner struct {
	key     *ecdsa.PrivateKey
	account rules.Account
	fail    error // returned by Sign
}

func newKeySigner(t testing.TB) *keySigner {
	t.Helper()
	key, err := crypto.HexToECDSA(testKeyHex)
	if err != nil {
		t.Fatal(err)
	}
	return &keySigner{key: key, account: rules.Account{Address: crypto.PubkeyToAddress(key.PublicKey), Vault: "dev", Key: "test", Version: "1"}}
}

func (s *keySigner) Accounts() []rules.Account { return []rules.Account{s.account} }

func (s *keySigner) Find(_ context.Context, address common.Address) (rules.Account, bool) {
	return s.account, address == s.account.Address
}

func (s *keySigner) Sign(ctx context.Context, _ common.Address, digest common.Hash) (Signed, error) {
	if err := ctx.Err(); err != nil {
		return Signed{}, err
	}
	if s.fail != nil {
		return Signed{}, s.fail
	}
	return signedBy(s.key, digest)
}

// signedBy signs with a key in memory.
func signedBy(key *ecdsa.PrivateKey, digest common.Hash) (Signed, error) {
	signature, err := crypto.Sign(digest[:], key)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Signature: [65]byte(signature), Vault: "dev", Key: "test", Version: "1", RequestID: "vault-request"}, nil
}

// captureRules decides as the rule file behind the captures did, and remembers
// what it was asked and told.
type captureRules struct {
	rejectListing bool

	mu       sync.Mutex
	requests []*rules.Request
	outcomes []rules.Outcome
}

func (c *captureRules) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, req)
	reject := rules.Decision{Verdict: rules.Reject, Rule: "capture"}
	switch {
	case req.Kind == rules.KindNewAccount:
		return reject, nil
	case req.Kind == rules.KindList && c.rejectListing:
		return reject, nil
	case req.Kind == rules.KindText && strings.Contains(string(req.Preimage), "reject me"):
		return reject, nil
	case req.Transaction != nil && req.Transaction.To() != nil && *req.Transaction.To() == common.HexToAddress("0xdead"):
		return reject, nil
	case req.Transaction != nil && req.Transaction.Nonce() == 0x7777:
		return rules.Decision{Rule: "capture"}, nil
	case req.Transaction != nil && req.Transaction.Nonce() == 0x7778:
		return rules.Decision{}, errors.New("the rule threw")
	}
	return rules.Decision{Verdict: rules.Approve, Rule: "capture"}, nil
}

func (c *captureRules) Settle(ctx context.Context, req *rules.Request, _ rules.Decision, result rules.Result) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes = append(c.outcomes, result.Outcome)
	if req.Transaction != nil && req.Transaction.Nonce() == 0x99 {
		return errors.New("the rule's OnApprovedTx threw")
	}
	return nil
}

// last returns the last request that was judged.
func (c *captureRules) last(t testing.TB) *rules.Request {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) == 0 {
		t.Fatal("no request was put to the decider")
	}
	return c.requests[len(c.requests)-1]
}

// asked returns how many requests were judged.
func (c *captureRules) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests)
}

// testMaker makes an account for account_new.
type testMaker struct{ calls int }

func (m *testMaker) NewAccount(ctx context.Context) (rules.Account, error) {
	if err := ctx.Err(); err != nil {
		return rules.Account{}, err
	}
	m.calls++
	return rules.Account{Address: common.HexToAddress("0x1234")}, nil
}

// newTestAccount returns the receiver of the captures' signer; change adapts
// its configuration.
func newTestAccount(t testing.TB, change func(*Config)) (*Account, *captureRules) {
	t.Helper()
	decider := new(captureRules)
	cfg := Config{Decider: decider, Signer: newKeySigner(t), Auditor: new(entries), KeyMaker: new(testMaker), ChainIDs: []*big.Int{big.NewInt(1337)}}
	if change != nil {
		change(&cfg)
	}
	account, err := NewAccount(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return account, decider
}
