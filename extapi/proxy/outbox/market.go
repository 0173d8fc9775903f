package outbox

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"golang.org/x/sync/singleflight"
)

// market knows what the chain asks for now. Each thing is asked of the node at
// most once in a while, so that a busy sender costs little.
type market struct {
	client *client
	age    time.Duration
	now    func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	known  map[string]quote
}

// quote is one answer, nil where the chain has none.
type quote struct {
	value any
	at    time.Time
}

// head is what matters of the latest block.
type head struct {
	BaseFee  *hexutil.Big    `json:"baseFeePerGas"` // nil before London
	GasLimit *hexutil.Uint64 `json:"gasLimit"`      // never nil: every block has one
}

// head returns the latest block.
func (m *market) head(ctx context.Context, chain *big.Int) (head, error) {
	return quoted(ctx, m, chain, "head", func(ctx context.Context) (head, error) {
		var latest *head
		if err := m.client.call(ctx, &latest, "eth_getBlockByNumber", "latest", false); err != nil {
			return head{}, err
		}
		if latest == nil || latest.GasLimit == nil { // what has no limit would pass for a block before London
			return head{}, &faultError{"has no latest block"}
		}
		return *latest, nil
	})
}

// price returns what legacy transactions pay, in wei per gas.
func (m *market) price(ctx context.Context, chain *big.Int) (*big.Int, error) {
	return m.number(ctx, chain, "eth_gasPrice")
}

// blobBase returns the base fee of blobs, in wei per gas.
func (m *market) blobBase(ctx context.Context, chain *big.Int) (*big.Int, error) {
	return m.number(ctx, chain, "eth_blobBaseFee")
}

// tip returns what transactions pay beyond the base fee, in wei per gas. A node
// that knows no such method is asked for its price.
func (m *market) tip(ctx context.Context, chain, base *big.Int) (*big.Int, error) {
	tip, err := m.number(ctx, chain, "eth_maxPriorityFeePerGas")
	var said *nodeError
	if err == nil || !errors.As(err, &said) || said.code != codeNoMethod {
		return tip, err
	}
	price, err := m.price(ctx, chain)
	if err != nil {
		return nil, err
	}
	if price.Cmp(base) <= 0 {
		return new(big.Int), nil
	}
	return new(big.Int).Sub(price, base), nil
}

// codeNoMethod is the JSON-RPC code for a method that is not known.
const codeNoMethod = -32601

func (m *market) number(ctx context.Context, chain *big.Int, method string) (*big.Int, error) {
	return quoted(ctx, m, chain, method, func(ctx context.Context) (*big.Int, error) {
		var answer *hexutil.Big
		if err := m.client.call(ctx, &answer, method); err != nil {
			return nil, err
		}
		if answer == nil {
			return nil, &faultError{"gave no fee"}
		}
		return answer.ToInt(), nil
	})
}

// quoted returns what is known, or asks. Those that ask at the same time share the
// answer, and one that no longer waits does not take it from the others.
func quoted[T any](ctx context.Context, m *market, chain *big.Int, name string, ask func(context.Context) (T, error)) (T, error) {
	var none T
	key := chain.String() + " " + name
	m.mu.Lock()
	known, ok := m.known[key]
	m.mu.Unlock()
	if value, is := known.value.(T); ok && is && m.fresh(known.at) {
		return value, nil
	}
	answers := m.flight.DoChan(key, func() (any, error) {
		at := m.now()
		value, err := ask(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.known[key] = quote{value, at}
		return value, nil
	})
	select {
	case answer := <-answers:
		value, _ := answer.Val.(T)
		return value, answer.Err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// fresh reports whether an answer is still good.
func (m *market) fresh(at time.Time) bool {
	age := m.now().Sub(at)
	return age >= 0 && age < m.age
}
