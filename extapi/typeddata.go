package extapi

import (
	"context"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules"
)

// SignTypedData answers account_signTypedData: it signs an EIP-712 document.
// The answer is r‖s‖v in 65 bytes, v 27 or 28.
func (a *Account) SignTypedData(ctx context.Context, address common.MixedcaseAddress, document TypedData) (hexutil.Bytes, error) {
	return a.signTypedData(ctx, "account_signTypedData", address, &document)
}

func (a *Account) signTypedData(ctx context.Context, method string, address common.MixedcaseAddress, document *TypedData) (signature hexutil.Bytes, err error) {
	ctx, call := a.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}
	req := a.newRequest(ctx, rules.KindTypedData, method, address.Address())
	req.Spelling = spelledOtherwise(&address)
	if err := a.describeTypedData(req, document); err != nil {
		return nil, err
	}
	return a.signMessage(ctx, req)
}

// describeTypedData fills in an EIP-712 document. A domain that names a chain
// must name one that the signer signs for; a domain without chain passes.
func (a *Account) describeTypedData(req *rules.Request, document *TypedData) error {
	encoded, err := encodeTypedData(document)
	if err != nil {
		return err
	}
	if encoded.chainID != nil {
		if _, err := a.chains.choose(encoded.chainID); err != nil {
			return err
		}
	}
	encoded.describe(req, rules.KindTypedData)
	return nil
}

// describe fills in what rules see of the document.
func (e *encodedDocument) describe(req *rules.Request, kind rules.Kind) {
	req.Kind = kind
	req.ContentType = accounts.MimetypeTypedData
	req.ChainID = e.chainID
	req.Digest = e.digest
	req.Preimage = e.preimage
	req.Messages = e.messages
	req.TypedData = e.document
}
