package extapi

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules"
)

// Signatory signs for the methods of other namespaces than account, by the same
// path. It is apart from [Account], every method of which can be called over the
// wire. Method is always the JSON-RPC method that asks. Its errors are fit for the
// caller; after one no signature has left the signer.
type Signatory struct{ account *Account }

// methodTypedDataV3 is the method of wallets before arrays were defined. Of what it
// can sign the digest is that of EIP-712.
const methodTypedDataV3 = "eth_signTypedData_v3"

// NewSignatory returns the signatory of an account.
func NewSignatory(account *Account) Signatory { return Signatory{account} }

// Accounts lists the accounts, as account_list does: sorted, never null, and those
// alone that the decision shows.
func (s Signatory) Accounts(ctx context.Context, method string) ([]common.Address, error) {
	return s.account.list(ctx, method)
}

// SignTransaction signs a complete transaction. Filled names the members that the
// caller had left out.
func (s Signatory) SignTransaction(ctx context.Context, method string, args TransactionArgs, filled []string) (*SignedTransaction, error) {
	return s.account.signTransaction(ctx, method, args, nil, filled)
}

// SignText signs a personal message (EIP-191, version 0x45). The answer is r‖s‖v
// in 65 bytes, v 27 or 28.
func (s Signatory) SignText(ctx context.Context, method string, address common.Address, message []byte) (signature hexutil.Bytes, err error) {
	ctx, call := s.account.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}
	if len(message) > maxDataBytes {
		return nil, refuse("data of %d bytes is too large: at most %d are signed", len(message), maxDataBytes)
	}
	req := s.account.newRequest(ctx, rules.KindText, method, address)
	req.ContentType = accounts.MimetypeTextPlain
	describeMessage(req, message)
	return s.account.signMessage(ctx, req)
}

// SignTypedData signs an EIP-712 document, in JSON as an object or as the text of
// one: wallets send both. For eth_signTypedData_v3 one without arrays. The answer is r‖s‖v in 65 bytes, v 27 or 28.
func (s Signatory) SignTypedData(ctx context.Context, method string, address common.Address, raw json.RawMessage) (signature hexutil.Bytes, err error) {
	ctx, call := s.account.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}
	document, err := documentFor(method, raw)
	if err != nil {
		return nil, err
	}
	return s.account.signTypedData(ctx, method, common.NewMixedcaseAddress(address), document)
}

// documentFor decodes an EIP-712 document that a method is to sign.
func documentFor(method string, raw json.RawMessage) (*TypedData, error) {
	document, err := decodeDocument(raw)
	if err != nil {
		return nil, refuse("%v", err)
	}
	if method == methodTypedDataV3 && document.hasArrays() {
		return nil, refuse("%s knows no arrays, which the types have: use eth_signTypedData_v4", method)
	}
	return document, nil
}

// decodeDocument decodes an EIP-712 document that is an object, or a string that
// holds the text of one.
func decodeDocument(raw json.RawMessage) (*TypedData, error) {
	if len(raw) > 0 && raw[0] == '"' {
		if err := checkUnicode(raw); err != nil { // before Go replaces what is none
			return nil, err
		}
		var held string
		if err := json.Unmarshal(raw, &held); err != nil {
			return nil, err
		}
		raw = json.RawMessage(held)
	}
	document := new(TypedData)
	if err := document.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	return document, nil
}
