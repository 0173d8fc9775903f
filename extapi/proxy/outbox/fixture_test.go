package outbox

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vault signs with keys that everybody knows, and decides.
type vault struct {
	keys []*ecdsa.PrivateKey

	mu     sync.Mutex
	deny   func(req *rules.Request) bool
	fail   func() error // of the vault
	asked  []*rules.Request
	signed int
}

func newVault(n int) *vault {
	v := new(vault)
	for i := range n {
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte{byte(i)}))
		if err != nil {
			panic(err)
		}
		v.keys = append(v.keys, key)
	}
	return v
}

func (v *vault) address(i int) common.Address { return crypto.PubkeyToAddress(v.keys[i].PublicKey) }

// Accounts implements extapi.Signer.
func (v *vault) Accounts() []rules.Account {
	var accounts []rules.Account
	for i := range v.keys {
		accounts = append(accounts, rules.Account{Address: v.address(i)})
	}
	return accounts
}

// Find implements extapi.Signer.
func (v *vault) Find(ctx context.Context, address common.Address) (rules.Account, bool) {
	return rules.Account{Address: address}, v.holds(ctx, address)
}

func (v *vault) holds(_ context.Context, address common.Address) bool {
	for i := range v.keys {
		if v.address(i) == address {
			return true
		}
	}
	return false
}

// Sign implements extapi.Signer.
func (v *vault) Sign(ctx context.Context, address common.Address, digest common.Hash) (extapi.Signed, error) {
	if err := ctx.Err(); err != nil {
		return extapi.Signed{}, err
	}
	v.mu.Lock()
	fail := v.fail
	v.signed++
	v.mu.Unlock()
	if fail != nil {
		if err := fail(); err != nil {
			return extapi.Signed{}, err
		}
	}
	for i, key := range v.keys {
		if v.address(i) == address {
			signature, err := crypto.Sign(digest[:], key)
			if err != nil {
				return extapi.Signed{}, err
			}
			return extapi.Signed{Signature: [65]byte(signature)}, nil
		}
	}
	return extapi.Signed{}, errors.New("no such key")
}

// Decide implements extapi.Decider.
func (v *vault) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, req)
	if v.deny != nil && v.deny(req) {
		return rules.Decision{Verdict: rules.Reject, Rule: "test"}, nil
	}
	return rules.Decision{Verdict: rules.Approve, Rule: "test"}, nil
}

// Settle implements extapi.Decider.
func (v *vault) Settle(ctx context.Context, _ *rules.Request, _ rules.Decision, _ rules.Result) error {
	return ctx.Err()
}

// Append implements extapi.Auditor.
func (v *vault) Append(ctx context.Context, _ audit.Entry) error { return ctx.Err() }

func (v *vault) signatures() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.signed
}

func (v *vault) last(t testing.TB) *rules.Request {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.asked) == 0 {
		t.Fatal("nobody was asked")
	}
	return v.asked[len(v.asked)-1]
}

func (v *vault) set(do func(*vault)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	do(v)
}

// clock is a time that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// world is an outbox with all that it works with.
type world struct {
	node    *fakeNode
	vault   *vault
	clock   *clock
	records rules.Records
	cfg     Config
	*Outbox
}

// newWorld starts an outbox; change adapts its configuration.
func newWorld(t testing.TB, change func(*world)) *world {
	t.Helper()
	w := &world{node: newFakeNode(), vault: newVault(3), clock: &clock{now: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)}, records: memory.NewRecords()}
	w.cfg = Config{Node: batchNode{w.node}, ChainIDs: []*big.Int{big.NewInt(testChain)}, Holds: w.vault.holds, Clock: w.clock.time, Interval: time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(w)
	}
	if w.node.clock == nil {
		w.node.clock = w.clock.time
	}
	if w.cfg.Records == nil {
		w.cfg.Records = w.records
	}
	if w.cfg.Signer == nil {
		account, err := extapi.NewAccount(extapi.Config{Decider: w.vault, Signer: w.vault, Auditor: w.vault, ChainIDs: w.cfg.ChainIDs, Logger: w.cfg.Logger})
		if err != nil {
			t.Fatal(err)
		}
		w.cfg.Signer = extapi.NewSignatory(account)
	}
	w.restart(t)
	return w
}

// restart opens an outbox on the same records.
func (w *world) restart(t testing.TB) {
	t.Helper()
	var err error
	if w.Outbox, err = New(t.Context(), w.cfg); err != nil {
		t.Fatal(err)
	}
}

// block makes a block and has the outbox look at it.
func (w *world) block(t testing.TB) {
	t.Helper()
	w.node.mine()
	w.step(t.Context())
}

// tx reads a transaction object, in which FROM and TO are accounts.
func (w *world) tx(t testing.TB, format string, args ...any) *extapi.PartialTransaction {
	t.Helper()
	var partial extapi.PartialTransaction
	text := fmt.Sprintf(format, args...)
	if !strings.Contains(text, `"from"`) {
		text = fmt.Sprintf(`{"from":"%v",`, w.vault.address(0)) + text[1:]
	}
	if err := json.Unmarshal([]byte(text), &partial); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &partial
}

// transfer is a plain one.
func (w *world) transfer(t testing.TB, value int) *extapi.PartialTransaction {
	t.Helper()
	return w.tx(t, `{"to":"%v","value":"%#x"}`, w.vault.address(1), value)
}

// mustSend sends, and fails the test if that fails.
func (w *world) mustSend(t testing.TB, partial *extapi.PartialTransaction, key string) common.Hash {
	t.Helper()
	hash, err := w.Send(t.Context(), partial, key)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// wantState fails the test unless a transaction is in a state.
func (w *world) wantState(t testing.TB, hash common.Hash, want State) *Transaction {
	t.Helper()
	tx, err := w.Show(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	if tx.State != want {
		t.Fatalf("transaction with nonce %d is %s, want %s", tx.Nonce, tx.State, want)
	}
	return tx
}

// raised reports whether a transaction has replaced another one by higher fees: its value
// is the same.
func (w *world) raised(t testing.TB, old, hash common.Hash) bool {
	t.Helper()
	was, err := w.Show(t.Context(), old)
	if err != nil || was.State != StateReplaced || was.ReplacedBy == nil || *was.ReplacedBy != hash {
		return false
	}
	is, err := w.Show(t.Context(), hash)
	return err == nil && is.Value.Cmp(was.Value) == 0
}

// untilClosed returns a context that ends when a channel is closed.
func untilClosed(t testing.TB, stop <-chan struct{}) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		select {
		case <-stop:
		case <-ctx.Done():
		}
	}()
	return ctx
}

// batchNode is the same node with batches.
type batchNode struct{ *fakeNode }

// BatchCallContext makes calls one by one.
func (n batchNode) BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error {
	for i := range calls {
		calls[i].Error = n.CallContext(ctx, calls[i].Result, calls[i].Method, calls[i].Args...)
	}
	return nil
}

// payFive makes five payments, which become final.
func (w *world) payFive(t *testing.T) {
	t.Helper()
	for i := range 5 {
		w.mustSend(t, w.transfer(t, i), "")
		w.block(t)
	}
	for range 15 {
		w.block(t)
	}
}
