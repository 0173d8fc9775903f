package e2e_test

import (
	"context"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// TestProxy puts kvclef in front of a real geth that has no accounts of its own:
// what applications send through it ends up in a block.
func TestProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	p := build(t)
	c := p.proxiedChain(t, "")
	mine(t, c)
	t.Run("npm", func(t *testing.T) {
		dir := npmClients(t)
		for _, client := range []string{"ethers", "viem", "web3"} {
			t.Run(client, func(t *testing.T) { npmClient(t, c, dir, client) })
		}
	})
	t.Run("Go", func(t *testing.T) { goClient(t, c) })
}

// proxiedChain starts a geth without accounts, and a kvclef in front of it.
func (p programs) proxiedChain(t *testing.T, rules string) *chain {
	t.Helper()
	c := &chain{fork: devnet.Osaka, keys: t.TempDir(), rules: rules}
	signer := p.start(t, c, false) // makes the account
	accounts, err := signer.Accounts(t.Context())
	if err != nil || len(accounts) != 1 {
		t.Fatalf("accounts %v, error %v: want one account", accounts, err)
	}
	c.account = accounts[0]
	if err := signer.Stop(); err != nil {
		t.Fatal(err)
	}
	c.node, err = devnet.Start(t.Context(), devnet.Config{Geth: p.geth, Dir: t.TempDir(), Fork: c.fork, Funded: accounts, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c.node.Stop) })
	p.front(t, c)
	return c
}

// front starts a kvclef in front of the chain's node.
func (p programs) front(t *testing.T, c *chain) {
	t.Helper()
	var err error
	c.signer, err = devnet.StartSigner(t.Context(), devnet.SignerConfig{
		Kvclef: p.kvclef, Dir: c.keys, Rules: c.rules, Node: c.node.URL(), NodeWS: c.node.WS(), Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c.signer.Stop) })
}

// mine produces blocks until the test ends.
func mine(t *testing.T, c *chain) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.node.Mine(ctx, 100*time.Millisecond) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("producing blocks: %v", err)
		}
	})
}

// npmClients installs the clients of the npm registry.
func npmClients(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci (install Node 20 with npm, or use -short): %v\n%s", err, out)
	}
	return dir
}

// npmClient runs the story of a client: it deploys a contract, calls it, watches
// its event over WebSocket, sends value, and signs a message and typed data.
func npmClient(t *testing.T, c *chain, dir, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	story := exec.CommandContext(ctx, "node", name+".mjs")
	story.Dir = dir
	story.Env = append(os.Environ(), "RPC_HTTP="+c.signer.Proxy(), "RPC_WS="+c.signer.ProxyWS())
	story.Stderr = t.Output()
	out, err := story.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var told struct {
		From   common.Address `json:"from"`
		Hashes []common.Hash  `json:"hashes"`
	}
	if err := json.Unmarshal(out, &told); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if told.From != c.account || len(told.Hashes) < 3 {
		t.Fatalf("the client tells %+v, want three transactions of %s", told, c.account)
	}
	for _, hash := range told.Hashes {
		c.sentBy(t, hash, c.account)
	}
}

// sentBy checks at the node itself that a transaction is mined, and whose it is.
func (c *chain) sentBy(t *testing.T, hash common.Hash, account common.Address) {
	t.Helper()
	receipt, err := c.node.Client().TransactionReceipt(t.Context(), hash)
	if err != nil || receipt.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("%s: %+v, %v", hash, receipt, err)
	}
	tx, _, err := c.node.Client().TransactionByHash(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	if sender, err := types.Sender(types.LatestSignerForChainID(big.NewInt(devnet.ChainID)), tx); err != nil || sender != account {
		t.Errorf("%s is of %s, %v; want %s", hash, sender, err, account)
	}
}

// goClient is ethclient and bind on the proxy, with transactions that the proxy
// signs, and a log that is watched over WebSocket.
func goClient(t *testing.T, c *chain) {
	t.Helper()
	client, err := rpc.DialContext(t.Context(), c.signer.ProxyWS())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	eth := ethclient.NewClient(client)
	heads := make(chan *types.Header)
	subscription, err := eth.SubscribeNewHead(t.Context(), heads)
	if err != nil {
		t.Fatal(err)
	}
	defer subscription.Unsubscribe()

	var hash common.Hash
	if err := client.CallContext(t.Context(), &hash, "eth_sendTransaction", map[string]any{"from": c.account, "data": creation}); err != nil {
		t.Fatal(err)
	}
	receipt, err := bind.WaitMinedHash(t.Context(), eth, hash)
	if err != nil {
		t.Fatal(err)
	}
	c.sentBy(t, hash, c.account)
	select {
	case head := <-heads:
		if head.Number.Sign() <= 0 {
			t.Errorf("head %v", head.Number)
		}
	case err := <-subscription.Err():
		t.Fatal(err)
	}

	answering, err := abi.JSON(strings.NewReader(`[{"type":"function","name":"get","stateMutability":"view","inputs":[],"outputs":[{"name":"","type":"uint256"}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	var result []any
	contract := bind.NewBoundContract(receipt.ContractAddress, answering, eth, eth, eth)
	if err := contract.Call(&bind.CallOpts{Context: t.Context()}, &result, "get"); err != nil {
		t.Fatal(err)
	}
	if number, ok := result[0].(*big.Int); !ok || number.Int64() != 42 {
		t.Errorf("the contract answers %v", result)
	}
}
