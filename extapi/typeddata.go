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
func (a *Account) SignTypedData(ctx context.Context, address common.MixedcaseAddress, document TypedData) (signature hexutil.Bytes, err error) {
	const method = "account_signTypedData"
	defer a.finish(ctx, method, &err)

	req := a.newRequest(ctx, rules.KindTypedData, method, address.Address())
	if err := a.describeTypedData(req, &document); err != nil {
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
	chainID := document.chainID()
	if chainID != nil {
		if _, err := a.chains.choose(chainID); err != nil {
			return err
		}
	}
	req.Kind = rules.KindTypedData
	req.ContentType = accounts.MimetypeTypedData
	req.ChainID = chainID
	req.Digest = encoded.digest
	req.Preimage = encoded.preimage
	req.Messages = encoded.messages
	req.TypedData = encoded.document
	return nil
}
