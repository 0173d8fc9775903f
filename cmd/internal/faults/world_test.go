package faults_test

import (
	"context"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/cmd/internal/proxied"
	"github.com/kvclef/kvclef/cmd/internal/relay"
)

// recipient is who is paid.
const recipient = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

// policy allows payments.
const policy = `version: 1
rules:
  - id: payments
    effect: allow
    match: {kind: transaction, method: eth_sendTransaction, to: "` + recipient + `", value_max: 1 ether, gas_max: 100000}
    limits:
      - {measure: value, max: 1000 ether, window: 24h}
  - id: accounts
    effect: allow
    match: {kind: list}
`

// patience bounds what a test waits for.
const patience = 30 * time.Second

// world is what the tests share: a vault, and a geth that makes blocks.
type world struct {
	kvclef   string
	vault    *emulator.Server
	accounts []common.Address // funded, and not used yet
	node     *devnet.Node
	paid     int64 // the last payment, which is its value
}

// newWorld starts it with as many accounts as there are stages.
func newWorld(t *testing.T, stages int) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	geth, err := devnet.Geth(t.Context())
	ok(t, err)
	w := new(world)
	w.kvclef, err = proxied.Build(t.Context(), t.TempDir())
	ok(t, err)
	w.vault, err = emulator.Start(t.Context(), emulator.Options{})
	ok(t, err)
	t.Cleanup(func() { ok(t, w.vault.Close()) })
	w.accounts, err = proxied.Accounts(w.vault, stages)
	ok(t, err)
	w.node, err = devnet.Start(t.Context(), devnet.Config{Geth: geth, Dir: t.TempDir(), Fork: devnet.Osaka, Funded: w.accounts})
	ok(t, err)
	t.Cleanup(func() { ok(t, w.node.Stop()) })
	return w
}

// mine makes blocks until it is stopped, at the end of the test at the latest.
func (w *world) mine(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.node.Mine(ctx, 100*time.Millisecond) }()
	t.Cleanup(func() {
		cancel()
		ok(t, <-done)
	})
}

// stage is a kvclef in front of the relay, with an account that no other stage uses.
type stage struct {
	*world
	relay   *relay.Relay
	front   *proxied.Front
	account common.Address
	first   int64                 // payments of the stage are above it
	told    map[int64]common.Hash // by value, the answers to payments
}

// newStage makes one, which does not run yet. The node's endpoint is the relay's over
// HTTP, with subscriptions, or over WebSocket.
func (w *world) newStage(t *testing.T, socket bool, settings ...string) *stage {
	t.Helper()
	return w.stage(t, policy, socket, settings...)
}

// newStageWith makes one with a policy of its own.
func (w *world) newStageWith(t *testing.T, policy string) *stage {
	t.Helper()
	return w.stage(t, policy, false)
}

func (w *world) stage(t *testing.T, policy string, socket bool, settings ...string) *stage {
	t.Helper()
	s := &stage{world: w, account: w.accounts[0], first: w.paid, told: make(map[int64]common.Hash)}
	w.accounts = w.accounts[1:]
	var err error
	s.relay, err = relay.Start(t.Context(), w.node.URL())
	ok(t, err)
	t.Cleanup(s.relay.Close)
	cfg := proxied.Config{
		Kvclef: w.kvclef, Dir: t.TempDir(), Vault: w.vault, Node: s.relay.URL(), NodeWS: s.relay.WS(), Policy: policy, More: settings, Log: t.Output(),
	}
	if socket {
		cfg.Node, cfg.NodeWS = s.relay.WS(), ""
	}
	s.front, err = proxied.New(t.Context(), cfg)
	ok(t, err)
	return s
}

// start starts kvclef.
func (s *stage) start(t *testing.T) {
	t.Helper()
	ok(t, s.front.Start(t.Context()))
	t.Cleanup(func() { ok(t, s.front.Stop()) })
}

// client connects to kvclef.
func client(t *testing.T, url string) *rpc.Client {
	t.Helper()
	c, err := rpc.DialContext(t.Context(), url)
	ok(t, err)
	t.Cleanup(c.Close)
	return c
}

// pay asks for a payment of the next value, and remembers the answer.
func (s *stage) pay(t *testing.T) (common.Hash, error) {
	t.Helper()
	s.paid++
	return s.payAgain(t, client(t, s.front.URL()), "")
}

// payAgain asks for the payment that was asked for last, for an idempotency key if it
// has one.
func (s *stage) payAgain(t *testing.T, c *rpc.Client, key string) (hash common.Hash, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []any{map[string]any{"from": s.account, "to": recipient, "value": (*hexutil.Big)(big.NewInt(s.paid))}}
	if key != "" {
		args = append(args, map[string]string{"idempotencyKey": key})
	}
	if err = c.CallContext(ctx, &hash, "eth_sendTransaction", args...); err != nil {
		return hash, err
	}
	if before, twice := s.told[s.paid]; twice && before != hash {
		t.Errorf("payment %d is %s, and was %s before", s.paid, hash, before)
	}
	s.told[s.paid] = hash
	return hash, nil
}

// mustPay is pay where nothing may go wrong for the caller.
func (s *stage) mustPay(t *testing.T) common.Hash {
	t.Helper()
	hash, err := s.pay(t)
	ok(t, err)
	return hash
}

// direct is a client of the node, past the relay.
func (w *world) direct() *ethclient.Client { return w.node.Client() }

// eventually tries until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	again, late := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// soon receives what must come without being asked for.
func soon[T any](t *testing.T, what string, from <-chan T) (received T) {
	t.Helper()
	select {
	case received = <-from:
	case <-time.After(patience):
		t.Fatalf("%s: not within %s", what, patience)
	}
	return received
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
