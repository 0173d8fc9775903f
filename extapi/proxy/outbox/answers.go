package outbox

import (
	"context"
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// answer is what a node's answer to a raw transaction says. The zero answer leaves
// open whether the node took it.
type answer uint8

const (
	unclear  answer = iota
	accepted        // the node has it, now or before
	taken           // another transaction has its nonce, or it is mined already
	refused         // the node has certainly not taken it
)

// heard returns what an error of eth_sendRawTransaction says, nil being none.
func heard(err error) (answer, *nodeError) {
	var node *nodeError
	switch {
	case err == nil:
		return accepted, nil
	case !errors.As(err, &node):
		return unclear, nil
	case node.code == codeNoMethod: // the node has not even looked at it
		return refused, node
	}
	text := strings.ToLower(node.text)
	for _, known := range spellings() {
		if strings.Contains(text, known.text) {
			return known.answer, node
		}
	}
	return unclear, node
}

// post hands a transaction to the node. That its nonce is taken is no refusal if it
// is taken by the transaction itself. With taken it returns what the node counts of
// the account's transactions.
func (o *Outbox) post(ctx context.Context, r sending) (said answer, node *nodeError, count uint64) {
	var told common.Hash
	err := o.client.call(ctx, &told, "eth_sendRawTransaction", hexutil.Bytes(r.raw))
	if err == nil && told != r.hash {
		return unclear, nil, 0
	}
	said, node = heard(err)
	if said != taken {
		return said, node, 0
	}
	switch count, known, err := o.whose(ctx, r); {
	case err != nil:
		return unclear, node, 0
	case known:
		return accepted, nil, 0
	default:
		return taken, node, count
	}
}

// sending is what is handed to the node.
type sending struct {
	lane laneID
	hash common.Hash
	raw  []byte
}

// whose asks the node how many transactions of the account it counts, and whether it
// knows this one, in its pool or in a block. It is asked all at once, so that where
// several nodes answer it is one of them that does, and for the count first, so that
// a transaction that comes in between is known if it is counted.
func (o *Outbox) whose(ctx context.Context, r sending) (count uint64, known bool, err error) {
	var (
		counted counting
		found   *struct {
			Hash common.Hash `json:"hash"`
		}
		mined *receipt
	)
	calls := append(counted.calls(r.lane.account),
		rpc.BatchElem{Method: "eth_getTransactionByHash", Args: []any{r.hash}, Result: &found},
		rpc.BatchElem{Method: "eth_getTransactionReceipt", Args: []any{r.hash}, Result: &mined})
	faults := o.client.faults.Load()
	o.client.batch(ctx, calls)
	known = found != nil && found.Hash == r.hash || mined.block(r.hash) != nil
	if known {
		return 0, true, nil
	}
	for i := range calls {
		if calls[i].Error != nil {
			return 0, false, calls[i].Error
		}
	}
	count, err = o.counted(&counted, r.lane.chain, faults)
	return count, false, err
}
