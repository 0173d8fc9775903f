package extapi

import (
	"context"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/rules"
)

// payloadBytes is the length of what a block payload's digest is the Keccak-256
// of: domain, chain and hash.
const payloadBytes = 3 * common.HashLength

// blockPayload is what a sequencer of the OP stack has signed of a block.
type blockPayload struct {
	domain common.Hash
	chain  *big.Int // nil: absent
	hash   common.Hash
	sender *common.Address // nil: the only account
}

// signPayload takes a block payload to its signature: r‖s‖yparity, as the peers of
// a sequencer check it.
func (a *Account) signPayload(ctx context.Context, method string, payload *blockPayload) (signature hexutil.Bytes, err error) {
	ctx, call := a.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}
	switch {
	case payload.chain == nil || payload.chain.Sign() == 0:
		return nil, refuse("chainId is missing from the block payload")
	case payload.hash == (common.Hash{}):
		return nil, refuse("payloadHash is missing from the block payload")
	case likeOthers(payload.domain):
		return nil, refuse("the domain %v is not signed: what begins with 0x%02x may be a transaction or a message too, only 0x00 and 0x80 to 0xbf are free", payload.domain, payload.domain[0])
	}
	chain, err := a.chains.choose(payload.chain)
	if err != nil {
		return nil, err
	}
	sender, err := a.senderOf(payload)
	if err != nil {
		return nil, err
	}
	req := a.newRequest(ctx, rules.KindBlockPayload, method, sender)
	describePayload(req, payload.domain, chain, payload.hash)
	signed, err := a.service.sign(ctx, req)
	if err != nil {
		return nil, err
	}
	return signed[:], nil
}

// likeOthers reports whether a payload of a domain could be something else as
// well: the caller chooses the domain, and most of what else accounts sign has a
// digest of its own bytes alone. The code of a contract that is made can hold the
// zeros of the chain and the hash, so that with a domain that begins as a
// transaction does, the signature of a payload would be one of a transaction.
// Transactions begin with their type, 0x01 to 0x7f, or as a list, from 0xc0 on;
// messages begin with 0x19.
func likeOthers(domain common.Hash) bool {
	first := domain[0]
	return first != 0 && (first < 0x80 || first > 0xbf)
}

// senderOf returns the account that a payload is to be signed with. As with
// op-signer it may be left out, here where there is no choice.
func (a *Account) senderOf(payload *blockPayload) (common.Address, error) {
	if payload.sender != nil {
		return *payload.sender, nil
	}
	accounts := a.signer.Accounts()
	if len(accounts) != 1 {
		return common.Address{}, refuse("senderAddress is missing: name the account that signs, as there is not exactly one here")
	}
	return accounts[0].Address, nil
}

// describePayload fills in a block payload. The chain has at most 256 bits.
func describePayload(req *rules.Request, domain common.Hash, chain *big.Int, hash common.Hash) {
	preimage := make([]byte, payloadBytes)
	copy(preimage, domain[:])
	chain.FillBytes(preimage[common.HashLength : 2*common.HashLength])
	copy(preimage[2*common.HashLength:], hash[:])
	req.Kind = rules.KindBlockPayload
	req.ChainID = chain
	req.Payload = &rules.BlockPayload{Domain: domain, Hash: hash}
	req.Preimage = preimage
	req.Digest = crypto.Keccak256Hash(preimage)
}

// describePayloadAgain fills in a block payload from its preimage.
func describePayloadAgain(req *rules.Request, preimage []byte) error {
	if len(preimage) != payloadBytes {
		return errBroken
	}
	part := func(i int) []byte { return preimage[i*common.HashLength : (i+1)*common.HashLength] }
	describePayload(req, common.Hash(part(0)), new(big.Int).SetBytes(part(1)), common.Hash(part(2)))
	return nil
}
