package extapi

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/rules"
)

// SignedTransaction is the answer to account_signTransaction.
type SignedTransaction struct {
	Raw hexutil.Bytes      `json:"raw"` // EIP-2718 envelope, of a blob transaction with its sidecar
	Tx  *types.Transaction `json:"tx"`  // the same in geth's JSON
}

// SignTransaction answers account_signTransaction. The checks come in Clef's
// order, so that a request with several faults gets Clef's text: call data and
// sidecar, findings, chain id, then what only kvclef refuses.
func (a *Account) SignTransaction(ctx context.Context, args TransactionArgs, methodSelector *string) (*SignedTransaction, error) {
	return a.signTransaction(ctx, "account_signTransaction", args, methodSelector, nil)
}

func (a *Account) signTransaction(ctx context.Context, method string, args TransactionArgs, methodSelector *string, filled []string) (signed *SignedTransaction, err error) {
	ctx, call := a.begin(ctx, method)
	defer call.finish(ctx, &err)
	if err := call.enter(ctx); err != nil {
		return nil, err
	}
	if err := work(ctx, workOf(&args)); err != nil {
		return nil, err
	}
	draft, err := a.draft(ctx, method, &args, methodSelector)
	if err != nil {
		return nil, err
	}
	req := a.newRequest(ctx, rules.KindTransaction, method, args.From.Address())
	req.Filled = filled
	draft.describe(req)
	signature, err := a.service.sign(ctx, req)
	if err != nil {
		return a.instead(ctx, method, &args, err)
	}
	return draft.seal(signature)
}

// draft is a transaction that is checked and complete but for its signature.
type draft struct {
	tx       *types.Transaction   // without a sidecar
	sidecar  *types.BlobTxSidecar // nil: none
	args     apitypes.SendTxArgs  // as the caller wrote them, calldata in Data, without a sidecar
	findings []apitypes.ValidationInfo
	call     *rules.Call
	chain    *big.Int
	signer   types.Signer
}

// draft checks a request and makes the transaction of it.
func (a *Account) draft(ctx context.Context, method string, args *TransactionArgs, methodSelector *string) (*draft, error) {
	if err := args.checkBounds(); err != nil {
		return nil, err
	}
	findings, call, err := a.validate(ctx, args, methodSelector)
	if err != nil {
		return nil, err
	}
	if !a.advanced && (!a.lenient || strings.HasPrefix(method, "account_")) {
		if err := warnings(findings); err != nil {
			return nil, err
		}
	}
	chain, err := a.chains.choose((*big.Int)(args.ChainID))
	if err != nil {
		return nil, err
	}
	if err := args.check(chain); err != nil {
		return nil, err
	}
	sidecar := args.takeSidecar()
	tx, err := args.transaction(chain)
	if err != nil {
		return nil, err
	}
	return &draft{
		tx:       tx,
		sidecar:  sidecar,
		args:     args.SendTxArgs,
		findings: findings,
		call:     call,
		chain:    chain,
		signer:   types.LatestSignerForChainID(chain),
	}, nil
}

// validate finds what is to be known of a request. The proofs of a blob take a
// tenth of a second of all cores, so few sidecars are worked on at a time, and
// the others wait: plain transactions don't.
func (a *Account) validate(ctx context.Context, args *TransactionArgs, methodSelector *string) ([]apitypes.ValidationInfo, *rules.Call, error) {
	if args.Blobs != nil {
		select {
		case a.sidecars <- struct{}{}:
			defer func() { <-a.sidecars }()
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("waiting for other sidecars: %w", ctx.Err())
		}
	}
	return a.validator.examine(PrincipalOf(ctx), methodSelector, &args.SendTxArgs)
}

// warnings returns Clef's error for findings that refuse a request, or nil.
func warnings(findings []apitypes.ValidationInfo) error {
	if err := (&apitypes.ValidationMessages{Messages: findings}).GetWarnings(); err != nil {
		return publicError(err.Error())
	}
	return nil
}

// describe fills in what rules see of the transaction. Digest and transaction
// are the ones that [draft.seal] completes.
func (d *draft) describe(req *rules.Request) {
	req.Digest = d.signer.Hash(d.tx)
	req.ChainID = d.chain
	req.Transaction = d.tx
	req.TransactionArgs = &d.args
	req.Findings = d.findings
	req.Call = d.call
}

// seal completes the transaction with its signature r‖s‖yparity, which is the
// sender's: the service has checked that.
func (d *draft) seal(signature [65]byte) (*SignedTransaction, error) {
	tx, err := d.tx.WithSignature(d.signer, signature[:])
	if err != nil {
		return nil, fmt.Errorf("adding the signature: %w", err)
	}
	if d.sidecar != nil {
		tx = tx.WithBlobTxSidecar(d.sidecar)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encoding the transaction: %w", err)
	}
	return &SignedTransaction{Raw: raw, Tx: tx}, nil
}
