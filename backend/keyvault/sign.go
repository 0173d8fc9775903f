package keyvault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
)

// Sign signs digest with the account's key version, in one round trip, and
// checks the answer against the pinned public key. The result names the key
// version and carries the x-ms-request-id of the vault's answer. Errors are of type
// *backend.Error.
func (v *Vault) Sign(ctx context.Context, account backend.Account, digest common.Hash) (backend.Signed, error) {
	id := identifier{account.Key, account.Version}
	e := v.held.Load().find(id)
	switch {
	case e == nil:
		return backend.Signed{}, v.unheld(id)
	case e.account.PublicKey != account.PublicKey || e.account.Address != account.Address:
		return backend.Signed{}, &backend.Error{
			Kind: backend.KindInvalid, NotSigned: true,
			Message: fmt.Sprintf("key %s in vault %s is pinned to address %s, not to %s", e.id(), v.cfg.Name, e.account.Address, account.Address),
		}
	}
	op := v.signing(e)
	var requestID string
	answer, err := call(ctx, v, op, func(ctx context.Context, client *azkeys.Client) (azkeys.SignResponse, error) {
		answer, err := client.Sign(ctx, e.account.Key, e.account.Version, azkeys.SignParameters{
			Algorithm: to.Ptr(e.algorithm), Value: digest[:],
		}, nil)
		requestID = traceOf(ctx).requestID()
		return answer, err
	})
	if err != nil {
		return backend.Signed{}, err
	}
	signature, err := e.check(answer.KeyOperationResult, digest)
	if err != nil {
		failed := &failure{}
		failed.Kind, failed.Cause, failed.RequestID = backend.KindInvalid, err, requestID
		failed.Message = v.of("%s answered with something that is not a signature by " + op.subject())
		v.logger.ErrorContext(ctx, "the vault's signature is wrong and was thrown away", "key", e.id().String(), "request", requestID, "error", err)
		return backend.Signed{}, failed.asError()
	}
	return backend.Signed{
		Signature: signature, Vault: e.account.Vault, Key: e.account.Key, Version: e.account.Version, RequestID: requestID,
	}, nil
}

// unheld is the error of a key that the vault is not known to hold.
func (v *Vault) unheld(id identifier) error {
	return &backend.Error{
		Kind: backend.KindNotFound, NotSigned: true,
		Message: fmt.Sprintf("key %s is not among the accounts of vault %s: it was disabled, has expired, or is not in keys", printable(id.String()), v.cfg.Name),
	}
}

// check holds the vault's answer against what was asked for and pinned.
func (e *entry) check(answer azkeys.KeyOperationResult, digest common.Hash) (backend.Signature, error) {
	if answer.KID == nil {
		return backend.Signature{}, errors.New("the answer does not say which key signed")
	}
	signer, err := parseIdentifier(string(*answer.KID))
	if err != nil {
		return backend.Signature{}, err
	}
	if !strings.EqualFold(signer.name, e.account.Key) || !strings.EqualFold(signer.version, e.account.Version) {
		return backend.Signature{}, fmt.Errorf("key %s signed instead of %s", signer, e.id())
	}
	return backend.Complete(answer.Result, digest, e.account.PublicKey)
}
