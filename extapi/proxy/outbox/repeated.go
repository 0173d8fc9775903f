package outbox

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
)

// stillRefused answers for a key whose transaction the node refused, and of which nil is
// gone: with the hash of one that is under way after all, be it an earlier one that had
// another nonce. A node that gives no answer leaves it at what it said before.
func (o *Outbox) stillRefused(ctx context.Context, c *claim, r *record) (common.Hash, error) {
	if r != nil {
		var fault *faultError
		hash, alive, err := o.alive(ctx, c)
		if alive || err != nil && !errors.As(err, &fault) {
			return hash, err
		}
		if r.Refusal != nil {
			return common.Hash{}, r.Refusal.err()
		}
	}
	return common.Hash{}, refuse("the node refused the transaction of this idempotency key: to send it anew use a new key")
}

// inPlaceOf answers for a key whose transaction was replaced: with the hash of the one in
// its place, if that is the same with other fees. Else the caller must not take it for
// done, and must look before it does anything.
func (o *Outbox) inPlaceOf(ctx context.Context, r *record) (common.Hash, error) {
	if r.ReplacedBy == nil {
		return common.Hash{}, refuse("nonce %d of transaction %v of this idempotency key is used, and it is not known by which transaction: the node shows neither that it was this one nor another; look at the account on the chain before you send it anew with a new key", r.Nonce, r.Hash)
	}
	same, err := o.replaces(ctx, *r.ReplacedBy, r)
	switch {
	case err != nil:
		return common.Hash{}, recordsError{err}
	case same:
		return *r.ReplacedBy, nil
	default:
		return common.Hash{}, refuse("transaction %v of this idempotency key was replaced: %v used its nonce %d; look at that one before you send it anew with a new key", r.Hash, *r.ReplacedBy, r.Nonce)
	}
}

// replaces reports whether a transaction was made of another one, step by step, by raising
// its fees. A cancellation has another recipient, amount or gas.
func (o *Outbox) replaces(ctx context.Context, hash common.Hash, old *record) (bool, error) {
	for range maxVersions + maxCancels {
		at := record{Transaction: Transaction{Chain: old.Chain, Account: old.Account, Nonce: old.Nonce, Hash: hash}}
		r, err := o.read(ctx, at.key())
		if err != nil || r == nil || !r.sameDeed(old) || r.Replaces == nil {
			return false, err
		}
		if hash = *r.Replaces; hash == old.Hash {
			return true, nil
		}
	}
	return false, nil
}

// sameDeed reports whether two transactions of a nonce differ in fees at most, as far as
// their records tell without their bytes.
func (r *record) sameDeed(other *record) bool {
	sameTo := r.To == nil && other.To == nil || r.To != nil && other.To != nil && *r.To == *other.To
	return sameTo && r.Value.Cmp(other.Value) == 0 && r.Gas == other.Gas
}
