package clefui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules/clefargs"
)

// same reports whether an answer is about the transaction that was asked about. An
// interface that answers with none has not changed it; one that leaves out the
// authorizations of EIP-7702 has not shown them.
func same(asked *clefargs.Transaction, answer json.RawMessage) (bool, error) {
	if len(answer) == 0 || string(answer) == "null" {
		return len(asked.Authorizations) == 0, nil
	}
	var answered clefargs.Transaction
	if err := json.Unmarshal(answer, &answered); err != nil {
		return false, fmt.Errorf("decoding the transaction that the user interface answers with: %w", err)
	}
	before, err := plain(asked)
	if err != nil {
		return false, err
	}
	after, err := plain(&answered)
	if err != nil {
		return false, err
	}
	return bytes.Equal(before, after), nil
}

// plain spells a transaction in one way.
func plain(tx *clefargs.Transaction) ([]byte, error) {
	data := tx.Data
	if data == nil {
		data = tx.Input
	}
	var payload hexutil.Bytes
	if data != nil {
		payload = *data
	}
	var to *common.Address
	if tx.To != nil {
		address := tx.To.Address()
		to = &address
	}
	text, err := json.Marshal([]any{
		tx.From.Address(), to, tx.Gas, number(tx.GasPrice), number(tx.MaxFeePerGas), number(tx.MaxPriorityFeePerGas), number(&tx.Value), tx.Nonce, payload,
		tx.AccessList, number(tx.ChainID), number(tx.BlobFeeCap), tx.BlobHashes, tx.Authorizations,
	})
	if err != nil {
		return nil, fmt.Errorf("comparing transactions: %w", err)
	}
	return text, nil
}

func number(n *hexutil.Big) *big.Int { return (*big.Int)(n) }
