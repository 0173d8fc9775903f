package backend

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Enter waits for a turn at a vault that holds the key of an address, at the one
// where it comes soonest, and returns it as a place for [Keyring.Sign]. When none
// comes before the context's deadline, that is told at once, by an error of type
// *Error whose RetryAfter says when to come back. The place is nil, without an
// error, where there is nothing to wait for. No vault is asked anything.
func (k *Keyring) Enter(ctx context.Context, address common.Address) (*Place, error) {
	var last *Error
	for _, h := range k.inOrder(ctx, k.current().holders[address], nil) {
		vault, ok := h.vault.(queueing)
		if !ok {
			return nil, nil //nolint:nilnil // as it is told
		}
		turn, err := vault.Enter(ctx, h.account)
		if err == nil {
			return &Place{address: address, vault: h.vault, turn: turn}, nil
		}
		last = sooner(last, asFailure(h.vault, err))
		if ctx.Err() != nil {
			break
		}
	}
	if last == nil {
		return nil, nil //nolint:nilnil // the address is unknown, which Sign tells
	}
	answer := *last // which may be another caller's too
	answer.NotSigned = true
	return nil, &answer
}

// Sign signs digest with the key of an address. Where several vaults hold the
// key, the one is asked that can do it soonest, or where the context has a place,
// and the next when it fails: any signature of the same digest by the same key
// authorises the same thing. The result names the vault that signed. The error is
// ErrUnknownAccount or of type *Error: of the vault that may be asked again soonest,
// or of the one that was asked last where none says when.
func (k *Keyring) Sign(ctx context.Context, address common.Address, digest common.Hash) (Signed, error) {
	place := placeOf(ctx, address)
	order := k.inOrder(ctx, k.current().holders[address], place)
	var last *Error
	notSigned := true
	for i, h := range order {
		signed, err := k.signIn(ctx, h.holder, place, good(order[i+1:]), digest)
		if err == nil {
			return signed, nil
		}
		failure := asFailure(h.vault, err)
		notSigned = notSigned && failure.NotSigned
		if len(order) > 1 {
			k.failed.note(h.holder, failure.Kind)
		}
		if last = sooner(last, failure); i == len(order)-1 || ctx.Err() != nil {
			answer := *last
			answer.NotSigned = notSigned
			return Signed{}, &answer
		}
	}
	return Signed{}, ErrUnknownAccount
}

// signIn signs in one vault. While there are others that are expected to sign, it
// is asked once, and gets a part of the time that is left.
func (k *Keyring) signIn(ctx context.Context, h holder, place *Place, others int, digest common.Hash) (Signed, error) {
	if place != nil && place.vault == h.vault {
		ctx = place.turn.Into(ctx)
	}
	if others > 0 {
		ctx = withFallback(ctx)
		if deadline, ok := ctx.Deadline(); ok {
			part, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(others+1))
			defer cancel()
			ctx = part
		}
	}
	return h.vault.Sign(ctx, h.account, digest)
}

// sooner returns the failure of two, the later of which is not nil, after which a
// caller may come back sooner.
func sooner(before, failure *Error) *Error {
	if before != nil && before.RetryAfter > 0 && (failure.RetryAfter <= 0 || before.RetryAfter < failure.RetryAfter) {
		return before
	}
	return failure
}

// asFailure returns an error of a vault as what it should be.
func asFailure(vault Vault, err error) *Error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure
	}
	return &Error{Message: "signing failed in vault " + vault.Name(), Cause: err}
}
