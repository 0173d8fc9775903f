package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// testChain is the chain id of the test chain.
const testChain = 1337

// fakeNode is a node with a chain and a pool of its own. It answers as geth does, and
// can be made to fail in every way.
type fakeNode struct {
	mu       sync.Mutex
	id       int64
	base     *big.Int // nil: before London
	tip      int64
	estimate func(args map[string]any) (uint64, error)
	blocks   []fakeBlock // the first is the genesis
	pool     map[common.Address]map[uint64]*types.Transaction
	lag      int                                             // blocks by which it answers late
	fault    func(method string, params []any) (bool, error) // whether the call is made before it fails, and how; nil: it does not
	calls    map[string]int
	accepted []*types.Transaction // all that ever came into the pool
	forks    int
	syncing  bool
	asked    int
	scatter  bool // every second call is answered by a node that is a block behind
	forge    bool // it shows other transactions in blocks than were signed
	clock    func() time.Time
}

type fakeBlock struct {
	hash   common.Hash
	time   int64
	txs    []*types.Transaction
	counts map[common.Address]uint64 // after it
}

func newFakeNode() *fakeNode {
	return &fakeNode{
		id: testChain, base: big.NewInt(1_000_000_000), tip: 1_000_000,
		estimate: func(map[string]any) (uint64, error) { return 21_000, nil },
		blocks:   []fakeBlock{{hash: common.Hash{1}, counts: map[common.Address]uint64{}}},
		pool:     make(map[common.Address]map[uint64]*types.Transaction),
		calls:    make(map[string]int),
	}
}

// saidError is an error that the node gives.
type saidError struct {
	code int
	text string
	data any
}

func (e *saidError) Error() string  { return e.text }
func (e *saidError) ErrorCode() int { return e.code }
func (e *saidError) ErrorData() any { return e.data }

func says(format string, args ...any) error {
	return &saidError{-32000, fmt.Sprintf(format, args...), nil}
}

// errReset is a connection that broke.
var errReset = errors.New("read tcp 10.0.0.1:8545: connection reset by peer")

// CallContext implements Node.
func (n *fakeNode) CallContext(ctx context.Context, result any, method string, params ...any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	n.calls[method]++
	if n.asked++; n.scatter {
		n.lag = n.asked % 2
	}
	var failed error
	if n.fault != nil {
		made, err := n.fault(method, params)
		if err != nil && !made {
			return err
		}
		failed = err
	}
	if err := ctx.Err(); err != nil { // its caller has hung up meanwhile
		return err
	}
	answer, err := n.answer(method, params)
	if failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

func (n *fakeNode) head() int { return max(0, len(n.blocks)-1-n.lag) }

func (n *fakeNode) answer(method string, params []any) (any, error) {
	switch method {
	case "eth_chainId":
		return (*hexutil.Big)(big.NewInt(n.id)), nil
	case "eth_blockNumber":
		return hexutil.Uint64(n.head()), nil
	case "eth_getBlockByNumber":
		number := n.head()
		if at, ok := params[0].(hexutil.Uint64); ok {
			if number = int(at); number > n.head() {
				return nil, nil
			}
		}
		block := map[string]any{"hash": n.blocks[number].hash, "number": hexutil.Uint64(number), "timestamp": hexutil.Uint64(n.blocks[number].time), "baseFeePerGas": (*hexutil.Big)(n.base), "gasLimit": "0x1c9c380"}
		if params[1] == true {
			block["transactions"] = n.full(number)
		}
		return block, nil
	case "eth_syncing":
		if n.syncing {
			return map[string]any{"currentBlock": "0x0", "highestBlock": "0x64"}, nil
		}
		return false, nil
	case "eth_gasPrice":
		if n.base == nil {
			return (*hexutil.Big)(big.NewInt(n.tip)), nil
		}
		return (*hexutil.Big)(new(big.Int).Add(n.base, big.NewInt(n.tip))), nil
	case "eth_maxPriorityFeePerGas":
		return (*hexutil.Big)(big.NewInt(n.tip)), nil
	case "eth_blobBaseFee":
		return "0x7", nil
	case "eth_estimateGas":
		var args map[string]any
		text, _ := json.Marshal(params[0])
		_ = json.Unmarshal(text, &args)
		gas, err := n.estimate(args)
		return hexutil.Uint64(gas), err
	case "eth_getTransactionCount":
		account := params[0].(common.Address)
		number := n.head()
		if at, ok := params[1].(hexutil.Uint64); ok {
			if number = int(at); number > n.head() {
				return nil, says("header not found")
			}
		}
		count := n.blocks[number].counts[account]
		if params[1] == "pending" {
			for n.pool[account][count] != nil {
				count++
			}
		}
		return hexutil.Uint64(count), nil
	case "eth_sendRawTransaction":
		return n.take(params[0].(hexutil.Bytes))
	case "eth_getTransactionByHash":
		return n.byHash(params[0].(common.Hash)), nil
	case "eth_getTransactionReceipt":
		return n.receipt(params[0].(common.Hash)), nil
	default:
		return nil, &saidError{-32601, "the method " + method + " does not exist/is not available", nil}
	}
}

func (n *fakeNode) take(raw []byte) (any, error) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return nil, says("%v", err)
	}
	from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(n.id)), tx)
	if err != nil {
		return nil, says("invalid sender")
	}
	if n.pool[from] == nil {
		n.pool[from] = make(map[uint64]*types.Transaction)
	}
	count := n.blocks[len(n.blocks)-1].counts[from]
	other := n.pool[from][tx.Nonce()]
	switch {
	case other != nil && other.Hash() == tx.Hash():
		return nil, says("already known")
	case tx.Nonce() < count:
		return nil, says("nonce too low: next nonce %d, tx nonce %d", count, tx.Nonce())
	case other != nil && new(big.Int).Mul(other.GasFeeCap(), big.NewInt(110)).Cmp(new(big.Int).Mul(tx.GasFeeCap(), big.NewInt(100))) > 0:
		return nil, says("replacement transaction underpriced")
	}
	n.pool[from][tx.Nonce()] = tx
	n.accepted = append(n.accepted, tx)
	return tx.Hash(), nil
}

func (n *fakeNode) find(hash common.Hash) (block int, tx *types.Transaction) {
	for i := range n.blocks[:n.head()+1] {
		for _, tx := range n.blocks[i].txs {
			if tx.Hash() == hash {
				return i, tx
			}
		}
	}
	for _, txs := range n.pool {
		for _, tx := range txs {
			if tx.Hash() == hash && n.lag == 0 {
				return -1, tx
			}
		}
	}
	return -1, nil
}

func (n *fakeNode) byHash(hash common.Hash) any {
	block, tx := n.find(hash)
	switch {
	case tx == nil:
		return nil
	case block < 0:
		return map[string]any{"hash": hash, "blockNumber": nil}
	default:
		return map[string]any{"hash": hash, "blockHash": n.blocks[block].hash, "blockNumber": hexutil.Uint64(block)}
	}
}

func (n *fakeNode) receipt(hash common.Hash) any {
	block, tx := n.find(hash)
	if tx == nil || block < 0 {
		return nil
	}
	return map[string]any{"transactionHash": hash, "blockHash": n.blocks[block].hash, "blockNumber": hexutil.Uint64(block), "status": "0x1"}
}

// full returns the transactions of a block as a node shows them.
func (n *fakeNode) full(number int) []map[string]any {
	txs := []map[string]any{{"type": "0x7e", "hash": common.Hash{7}}} // as others' chains have
	for _, tx := range n.blocks[number].txs {
		shown := make(map[string]any)
		text, _ := tx.MarshalJSON()
		_ = json.Unmarshal(text, &shown)
		if n.forge {
			shown["value"] = "0x7777"
		}
		shown["from"], _ = types.Sender(types.LatestSignerForChainID(big.NewInt(n.id)), tx)
		txs = append(txs, shown)
	}
	return txs
}

// mine makes a block of all that can be in it.
func (n *fakeNode) mine() {
	n.mu.Lock()
	defer n.mu.Unlock()
	last := n.blocks[len(n.blocks)-1]
	block := fakeBlock{counts: make(map[common.Address]uint64)}
	if n.clock != nil {
		block.time = n.clock().Unix()
	}
	for account, count := range last.counts {
		block.counts[account] = count
	}
	for account, txs := range n.pool {
		for tx := txs[block.counts[account]]; tx != nil; tx = txs[block.counts[account]] {
			block.txs = append(block.txs, tx)
			delete(txs, tx.Nonce())
			block.counts[account]++
		}
		for nonce := range txs {
			if nonce < block.counts[account] {
				delete(txs, nonce)
			}
		}
	}
	n.forks++
	block.hash = common.BigToHash(big.NewInt(int64(1000*len(n.blocks) + n.forks)))
	n.blocks = append(n.blocks, block)
}

// reorg drops blocks with all that was in them.
func (n *fakeNode) reorg(depth int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocks = n.blocks[:len(n.blocks)-depth]
}

// restart loses the pool.
func (n *fakeNode) restart() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.pool)
}

// do is a step in the life of a node, as random tests name it.
func (n *fakeNode) do(t *testing.T, step string) {
	t.Helper()
	const send = "eth_sendRawTransaction"
	switch step {
	case "mine":
		n.mine()
	case "pool":
		n.restart()
	case "reorg":
		if len(n.blocks) > 1 {
			n.reorg(1)
		}
	case "lag":
		n.set(func(n *fakeNode) { n.lag = (n.lag + 1) % 3 })
	case "scatter":
		n.set(func(n *fakeNode) { n.scatter = !n.scatter })
	case "late": // it is taken by one node, and refused by the next, which has it by now
		n.failOnce(send, true, says("nonce too low"))
	case "refuse":
		n.failOnce(send, false, says("insufficient funds for gas * price + value"))
	case "low":
		n.failOnce(send, false, says("nonce too low"))
	case "underpriced":
		n.failOnce(send, false, says("replacement transaction underpriced"))
	case "lose":
		n.failOnce(send, false, errReset)
	case "reset":
		n.failOnce(send, true, errReset)
	case "hide":
		n.failOnce(send, true, says("unknown error"))
	default:
		t.Fatalf("a node has no step %q", step)
	}
}

// set changes the node.
func (n *fakeNode) set(do func(*fakeNode)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do(n)
}

// called returns how often a method was called.
func (n *fakeNode) called(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[method]
}

// pooled returns how many transactions wait.
func (n *fakeNode) pooled() (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, txs := range n.pool {
		count += len(txs)
	}
	return count
}

// minedOf returns an account's mined transactions, in order.
func (n *fakeNode) minedOf(t testing.TB, account common.Address) (txs []*types.Transaction) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, block := range n.blocks {
		for _, tx := range block.txs {
			if from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(n.id)), tx); err == nil && from == account {
				txs = append(txs, tx)
			}
		}
	}
	return txs
}

// failOnce makes the next call of a method fail, before or after it is made.
func (n *fakeNode) failOnce(method string, made bool, err error) {
	n.set(func(n *fakeNode) {
		n.fault = func(called string, _ []any) (bool, error) {
			if called != method {
				return false, nil
			}
			n.fault = nil
			return made, err
		}
	})
}
