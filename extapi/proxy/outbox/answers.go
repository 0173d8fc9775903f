package outbox

import (
	"context"
	"errors"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
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
// is taken by the transaction itself.
func (o *Outbox) post(ctx context.Context, hash common.Hash, raw []byte) (answer, *nodeError) {
	var told common.Hash
	err := o.client.call(ctx, &told, "eth_sendRawTransaction", hexutil.Bytes(raw))
	if err == nil && told != hash {
		return unclear, nil
	}
	said, node := heard(err)
	if said != taken {
		return said, node
	}
	switch known, err := o.known(ctx, hash); {
	case err != nil:
		return unclear, node
	case known:
		return accepted, nil
	default:
		return taken, node
	}
}

// known reports whether the node knows a transaction, in its pool or in a block.
func (o *Outbox) known(ctx context.Context, hash common.Hash) (bool, error) {
	var found *struct {
		Hash common.Hash `json:"hash"`
	}
	err := o.client.call(ctx, &found, "eth_getTransactionByHash", hash)
	return found != nil && found.Hash == hash, err
}
