package sending_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/cmd/internal/proxied"
)

const (
	benchAccounts = 16
	vaultLatency  = 12 * time.Millisecond // of a real vault in the same region
	benchTime     = 5 * time.Second       // of one cell
	payee         = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
)

// BenchmarkSend measures eth_sendTransaction through kvclef, with a vault that takes 12
// ms, a policy with a limit, the durable state and a real geth; against a client that
// has the keys in memory, knows its nonces and fees, and sends to the same geth in the
// same run. One iteration is one cell, which sends for five seconds; CPU is kvclef's own,
// without the vault's and the node's.
func BenchmarkSend(b *testing.B) {
	w := newBench(b)
	for _, accounts := range []int{1, benchAccounts} {
		for _, callers := range []int{1, 8, 64} {
			name := fmt.Sprintf("accounts=%d/callers=%d", accounts, callers)
			b.Run(name+"/kvclef", func(b *testing.B) {
				before := w.cpu(b)
				sent := w.measure(b, callers, w.through(b, accounts))
				b.ReportMetric((w.cpu(b)-before).Seconds()*1000/float64(sent), "cpu-ms/send")
			})
			b.Run(name+"/keys-in-memory", func(b *testing.B) { w.measure(b, callers, w.direct(b, accounts)) })
		}
	}
}

// bench is a kvclef in front of a geth that makes blocks.
type bench struct {
	front    *proxied.Front
	node     *devnet.Node
	accounts []common.Address
	keys     []*ecdsa.PrivateKey // of other accounts, in memory
	nonces   []atomic.Uint64
	paid     atomic.Int64
}

func newBench(b *testing.B) *bench {
	b.Helper()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	geth, err := devnet.Geth(b.Context())
	must(err)
	kvclef, err := proxied.Build(b.Context(), b.TempDir())
	must(err)
	vault, err := emulator.Start(b.Context(), emulator.Options{Latency: vaultLatency})
	must(err)
	b.Cleanup(func() { must(vault.Close()) })
	w := &bench{nonces: make([]atomic.Uint64, benchAccounts)}
	w.accounts, err = proxied.Accounts(vault, benchAccounts)
	must(err)
	funded := slices.Clone(w.accounts)
	for range benchAccounts {
		key, err := crypto.GenerateKey()
		must(err)
		w.keys = append(w.keys, key)
		funded = append(funded, crypto.PubkeyToAddress(key.PublicKey))
	}
	w.node, err = devnet.Start(b.Context(), devnet.Config{Geth: geth, Dir: b.TempDir(), Fork: devnet.Osaka, Funded: funded})
	must(err)
	b.Cleanup(func() { must(w.node.Stop()) })
	ctx, cancel := context.WithCancel(b.Context())
	mined := make(chan error, 1)
	go func() { mined <- w.node.Mine(ctx, 200*time.Millisecond) }()
	b.Cleanup(func() {
		cancel()
		must(<-mined)
	})
	w.front, err = proxied.New(b.Context(), proxied.Config{
		Kvclef: kvclef, Dir: b.TempDir(), Vault: vault, Node: w.node.URL(), Policy: `version: 1
rules:
  - id: payments
    effect: allow
    match: {kind: transaction, method: eth_sendTransaction, to: "` + payee + `", value_max: 1 ether, gas_max: 100000}
    limits:
      - {measure: value, max: 1000 ether, window: 24h}
`,
	})
	must(err)
	must(w.front.Start(b.Context()))
	b.Cleanup(func() { must(w.front.Stop()) })
	return w
}

// through sends through kvclef.
func (w *bench) through(b *testing.B, accounts int) func(context.Context) error {
	b.Helper()
	client, err := rpc.DialContext(b.Context(), w.front.URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return func(ctx context.Context) error {
		n := w.paid.Add(1)
		var hash common.Hash
		return client.CallContext(ctx, &hash, "eth_sendTransaction", map[string]any{
			"from": w.accounts[int(n)%accounts], "to": payee, "value": (*hexutil.Big)(big.NewInt(n)),
		})
	}
}

// direct signs in memory, one after the other for each account so that nonces arrive in
// order.
func (w *bench) direct(b *testing.B, accounts int) func(context.Context) error {
	b.Helper()
	client, err := rpc.DialContext(b.Context(), w.node.URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	signer, to := types.LatestSignerForChainID(big.NewInt(devnet.ChainID)), common.HexToAddress(payee)
	turns := make([]sync.Mutex, accounts)
	return func(ctx context.Context) error {
		n := w.paid.Add(1)
		i := int(n) % accounts
		turns[i].Lock()
		defer turns[i].Unlock()
		tx, err := types.SignNewTx(w.keys[i], signer, &types.DynamicFeeTx{
			ChainID: big.NewInt(devnet.ChainID), Nonce: w.nonces[i].Load(), GasTipCap: big.NewInt(1_000_000), GasFeeCap: big.NewInt(3_000_000_000), Gas: 21000, To: &to, Value: big.NewInt(n),
		})
		if err != nil {
			return err
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			return err
		}
		if err := client.CallContext(ctx, nil, "eth_sendRawTransaction", hexutil.Bytes(raw)); err != nil {
			return err
		}
		w.nonces[i].Add(1)
		return nil
	}
}

// measure has callers send for a while, and returns how often they did.
func (w *bench) measure(b *testing.B, callers int, send func(context.Context) error) (sent int) {
	b.Helper()
	for range b.N {
		var mu sync.Mutex
		var times []time.Duration
		group, ctx := errgroup.WithContext(b.Context())
		began := time.Now()
		for range callers {
			group.Go(func() error {
				for time.Since(began) < benchTime {
					start := time.Now()
					if err := send(ctx); err != nil {
						return err
					}
					took := time.Since(start)
					mu.Lock()
					times = append(times, took)
					mu.Unlock()
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		elapsed := time.Since(began)
		sent += len(times)
		slices.Sort(times)
		b.ReportMetric(float64(len(times))/elapsed.Seconds(), "sends/s")
		b.ReportMetric(times[len(times)/2].Seconds()*1000, "p50-ms")
		b.ReportMetric(times[len(times)*99/100].Seconds()*1000, "p99-ms")
	}
	b.ReportMetric(0, "ns/op") // an iteration takes what it is given
	return sent
}

// cpu is the time that kvclef's process has used, from Linux's /proc, where it is
// counted in hundredths of a second.
func (w *bench) cpu(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.front.PID()))
	if err != nil {
		b.Skip("CPU time is read from Linux's /proc: ", err)
	}
	const user, system = 11, 12 // after the name, which may have spaces
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(rest)
	var ticks int
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(string(fields[i]))
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
