package outbox

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// guard knows the node's chain. After a call that had no answer it is asked again:
// what answers next may be another node.
type guard struct {
	client  *client
	allowed []*big.Int

	mu     sync.Mutex
	id     *big.Int // nil: not known
	faults uint64   // of the client when it was asked
}

// chain returns the id of the node's chain, which is an allowed one.
func (g *guard) chain(ctx context.Context) (*big.Int, error) {
	faults := g.client.faults.Load()
	g.mu.Lock()
	id, known := g.id, g.id != nil && g.faults == faults
	g.mu.Unlock()
	if known {
		return id, nil
	}
	var answer *hexutil.Big
	if err := g.client.call(ctx, &answer, "eth_chainId"); err != nil {
		return nil, err
	}
	return g.learn((*big.Int)(answer), faults)
}

// learn takes over what a node says its chain is.
func (g *guard) learn(id *big.Int, faults uint64) (*big.Int, error) {
	if id == nil {
		return nil, &faultError{"does not say which chain it is of"}
	}
	if !slices.ContainsFunc(g.allowed, func(allowed *big.Int) bool { return allowed.Cmp(id) == 0 }) {
		return nil, refuse("the node is of chain %v, and allowed is %s: nothing is sent", id, names(g.allowed))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.id, g.faults = id, faults
	return id, nil
}

// checkChain refuses a request for another chain than the node's.
func checkChain(chain *big.Int, asked *hexutil.Big) error {
	if asked == nil || asked.ToInt().Cmp(chain) == 0 {
		return nil
	}
	return refuse("chainId does not match node's (have=%v, want=%v)", asked.ToInt(), chain)
}

// names lists chain ids.
func names(ids []*big.Int) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, ", ")
}

// counting is what a node says of the number of an account's transactions, and of
// which chain it is: what another node says of another chain is never taken for it.
type counting struct {
	chain   *hexutil.Big
	pending *hexutil.Uint64 // with those in its pool
	mined   *hexutil.Uint64
}

// calls are the questions.
func (c *counting) calls(account common.Address) []rpc.BatchElem {
	return []rpc.BatchElem{
		{Method: "eth_chainId", Result: &c.chain},
		{Method: "eth_getTransactionCount", Args: []any{account, "pending"}, Result: &c.pending},
		{Method: "eth_getTransactionCount", Args: []any{account, "latest"}, Result: &c.mined},
	}
}

// mostCounted is more transactions than an account will ever have. A node that counts
// more is out of order, and a lane that believed it would come to its end.
const mostCounted = 1 << 48

// standing is how far an account has come, by a node's counts.
type standing struct {
	next  uint64 // the nonce after its last transaction that the node knows
	mined uint64 // the nonce after its last one in a block

	users map[uint64]common.Hash // nonces that were looked for in blocks, and whose they are; zero: it was not found
}

// pending asks for the nonce after an account's last transaction that the node
// knows.
func (o *Outbox) pending(ctx context.Context, chain string, account common.Address) (uint64, error) {
	seen, err := o.standing(ctx, chain, account)
	return seen.next, err
}

// standing asks how far an account has come.
func (o *Outbox) standing(ctx context.Context, chain string, account common.Address) (standing, error) {
	var c counting
	calls := c.calls(account)
	faults := o.client.faults.Load()
	o.client.batch(ctx, calls)
	for i := range calls {
		if calls[i].Error != nil {
			return standing{}, calls[i].Error
		}
	}
	return o.counted(&c, chain, faults)
}

// counted returns how far an account has come, by what a node has answered.
func (o *Outbox) counted(c *counting, chain string, faults uint64) (standing, error) {
	switch now, err := o.guard.learn((*big.Int)(c.chain), faults); {
	case err != nil:
		return standing{}, err
	case now.String() != chain:
		return standing{}, refuse("the node was of chain %s, and is of chain %v now: nothing is sent", chain, now)
	case c.pending == nil || c.mined == nil:
		return standing{}, &faultError{"does not count the account's transactions"}
	}
	seen := standing{next: max(uint64(*c.pending), uint64(*c.mined)), mined: uint64(*c.mined)}
	if count := seen.next; count > mostCounted {
		return standing{}, &faultError{fmt.Sprintf("counts %d transactions of the account, which can't be", count)}
	}
	return seen, nil
}

// laneID names an account on a chain.
type laneID struct {
	chain   string // decimal
	account common.Address
}

// path is a part of the keys of an account's records.
func (l laneID) path() string { return fmt.Sprintf("%s/%#x", l.chain, l.account) }
