package passthrough_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
)

// makeBlocks has geth make one block after the other, each of a transaction.
func makeBlocks(t *testing.T, direct *rpc.Client, blocks int) {
	t.Helper()
	var owned []common.Address
	if err := direct.CallContext(t.Context(), &owned, "eth_accounts"); err != nil {
		t.Fatal(err)
	}
	eth := ethclient.NewClient(direct)
	for range blocks {
		var hash common.Hash
		if err := direct.CallContext(t.Context(), &hash, "eth_sendTransaction", map[string]any{"from": owned[0], "to": owned[0]}); err != nil {
			t.Fatal(err)
		}
		for receipt := (*types.Receipt)(nil); receipt == nil; {
			receipt, _ = eth.TransactionReceipt(t.Context(), hash)
		}
	}
}

// TestSubscriptions has eight clients follow the head over the proxy while they
// ask other things, of geth and of the proxy.
func TestSubscriptions(t *testing.T) {
	n := node(t)
	direct := connect(t, n.HTTP())
	const clients, blocks = 8, 10
	for way, cfg := range ways(n) {
		if way == "http" {
			continue
		}
		t.Run(way, func(t *testing.T) {
			cfg.Methods = accounts()
			p := start(t, cfg)
			first, err := ethclient.NewClient(direct).BlockNumber(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range clients {
				client := connect(t, "ws://"+p.Addr())
				heads := make(chan *types.Header, blocks)
				subscription, err := ethclient.NewClient(client).SubscribeNewHead(t.Context(), heads)
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					defer subscription.Unsubscribe()
					var last uint64 // a block of the test before may come late, before the subscription
					for range blocks {
						select {
						case head := <-heads:
							if number := head.Number.Uint64(); number <= first || last != 0 && number != last+1 {
								t.Errorf("head %d follows %d, and %d was there before", number, last, first)
							}
							last = head.Number.Uint64()
						case err := <-subscription.Err():
							t.Errorf("the subscription ended: %v", err)
							return
						}
						askBoth(t, client)
					}
				})
			}
			makeBlocks(t, direct, blocks)
			wg.Wait()
		})
	}
	t.Run("http", func(t *testing.T) {
		client := connect(t, "ws://"+start(t, ways(n)["http"]).Addr())
		if _, err := client.EthSubscribe(t.Context(), make(chan *types.Header), "newHeads"); err == nil {
			t.Error("subscribed to a node over HTTP")
		}
	})
}

func askBoth(t *testing.T, client *rpc.Client) {
	t.Helper()
	var own []common.Address
	if err := client.CallContext(t.Context(), &own, "eth_accounts"); err != nil || len(own) != 1 || own[0] != common.HexToAddress("0xaa") {
		t.Errorf("eth_accounts: %v, %v", own, err)
	}
	var chain string
	batch := []rpc.BatchElem{{Method: "eth_chainId", Result: &chain}, {Method: "eth_accounts", Result: &own}, {Method: "eth_chainId", Result: &chain}}
	if err := client.BatchCallContext(t.Context(), batch); err != nil {
		t.Errorf("a batch: %v", err)
	}
	for _, call := range batch {
		if call.Error != nil {
			t.Errorf("%s in a batch: %v", call.Method, call.Error)
		}
	}
}

// TestNodeEnds stops geth under subscriptions: they end, and calls fail at once
// but for those that are answered here.
func TestNodeEnds(t *testing.T) {
	n := node(t)
	addresses := make(map[string]string)
	subscriptions := make(map[string]*rpc.ClientSubscription)
	for _, way := range []string{"ws", "ipc", "http+ws"} {
		cfg := ways(n)[way]
		cfg.Methods = accounts()
		addresses[way] = start(t, cfg).Addr()
		subscription, err := connect(t, "ws://"+addresses[way]).EthSubscribe(t.Context(), make(chan *types.Header), "newHeads")
		if err != nil {
			t.Fatal(err)
		}
		subscriptions[way] = subscription
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	for way, address := range addresses {
		var closed *websocket.CloseError
		if err := <-subscriptions[way].Err(); !errors.As(err, &closed) || closed.Code != websocket.CloseServiceRestart {
			t.Errorf("%s: the subscription ended with %v", way, err)
		}
		for _, scheme := range []string{"http://", "ws://"} {
			client := connect(t, scheme+address)
			var number string
			if err := client.CallContext(t.Context(), &number, "eth_blockNumber"); err == nil || err.Error() != "the node can't be reached" {
				t.Errorf("%s %s: got %s, %v", way, scheme, number, err)
			}
			var own []common.Address
			if err := client.CallContext(t.Context(), &own, "eth_accounts"); err != nil {
				t.Errorf("%s %s: eth_accounts: %v", way, scheme, err)
			}
		}
	}
}
