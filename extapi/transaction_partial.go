package extapi

import (
	"encoding/json"
	"errors"
	"maps"
)

// PartialTransaction is a transaction object as eth_sendTransaction takes it:
// what the caller leaves out of it is filled in before it is signed. Like
// [TransactionArgs] it knows no member but its own.
type PartialTransaction struct {
	TransactionArgs

	// HasNonce and HasGas say whether the caller gave the member, null being none.
	HasNonce, HasGas bool
}

// UnmarshalJSON decodes a transaction object of which only from must be there.
func (p *PartialTransaction) UnmarshalJSON(raw []byte) error {
	found, err := strictMembers(raw, transactionMembers...)
	if err != nil {
		return err
	}
	if isNull(found["from"]) {
		return errors.New("missing member \"from\": name the account that signs")
	}
	p.HasNonce, p.HasGas = !isNull(found["nonce"]), !isNull(found["gas"])
	maps.DeleteFunc(found, func(_ string, value json.RawMessage) bool { return isNull(value) }) // as if left out
	if raw, err = json.Marshal(found); err != nil {
		return err
	}
	return p.decode(raw, found)
}

// Complete returns the transaction once what was left out has been filled in: its
// nonce and its gas are taken for given.
func (p *PartialTransaction) Complete() TransactionArgs {
	args := p.TransactionArgs
	args.decoded = true
	return args
}
