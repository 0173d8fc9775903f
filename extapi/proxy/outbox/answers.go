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
	used            // a transaction with its nonce is mined: another one, or it itself
	taken           // another transaction with its nonce is in the node's pool
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

// post hands a transaction to the node. That its nonce is used or taken is no refusal
// if the node knows the transaction; else it returns how far the account has come.
func (o *Outbox) post(ctx context.Context, r sending) (said answer, node *nodeError, seen standing) {
	var told common.Hash
	err := o.client.call(ctx, &told, "eth_sendRawTransaction", hexutil.Bytes(r.raw))
	if err == nil && told != r.hash {
		return unclear, nil, seen
	}
	said, node = heard(err)
	if said != used && said != taken {
		return said, node, seen
	}
	switch seen, known, err := o.whose(ctx, r); {
	case err != nil:
		return unclear, node, seen
	case known:
		return accepted, nil, seen
	default:
		return said, node, seen
	}
}

// sending is what is handed to the node.
type sending struct {
	lane laneID
	hash common.Hash
	raw  []byte
}

// whose asks the node how far the account has come, and whether it knows this
// transaction, in its pool or in a block. That it does not know it proves nothing: where
// several nodes answer, the one that is asked for the hash may be behind the one that
// counts, and some count before they can tell a hash. So it is asked all at once, as far
// as the node takes that, and for the count first.
func (o *Outbox) whose(ctx context.Context, r sending) (seen standing, known bool, err error) {
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
		return standing{}, true, nil
	}
	for i := range calls {
		if calls[i].Error != nil {
			return standing{}, false, calls[i].Error
		}
	}
	seen, err = o.counted(&counted, r.lane.chain, faults)
	return seen, false, err
}
