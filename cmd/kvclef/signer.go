package main

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// keyringSigner is the keyring as the external API sees it.
type keyringSigner struct {
	keyring *backend.Keyring
}

// Accounts returns the accounts from memory.
func (s keyringSigner) Accounts() []rules.Account {
	held := s.keyring.Accounts()
	accounts := make([]rules.Account, len(held))
	for i, account := range held {
		accounts[i] = ruleAccount(account)
	}
	return accounts
}

// Find returns the account of an address; it may look for a new key.
func (s keyringSigner) Find(ctx context.Context, address common.Address) (rules.Account, bool) {
	account, ok := s.keyring.Find(ctx, address)
	return ruleAccount(account), ok
}

// Sign signs a digest. Its failures are fit for the caller.
func (s keyringSigner) Sign(ctx context.Context, address common.Address, digest common.Hash) (extapi.Signed, error) {
	signed, err := s.keyring.Sign(ctx, address, digest)
	var failure *backend.Error
	switch {
	case errors.As(err, &failure):
		return extapi.Signed{}, vaultError{failure}
	case errors.Is(err, backend.ErrUnknownAccount):
		return extapi.Signed{}, goneError{err}
	case err != nil:
		return extapi.Signed{}, err
	}
	return extapi.Signed{
		Signature: signed.Signature, Vault: signed.Vault, Key: signed.Key, Version: signed.Version, RequestID: signed.RequestID,
	}, nil
}

// Queue waits for a turn at a vault. Its failures are fit for the caller.
func (s keyringSigner) Queue(ctx context.Context, address common.Address, caller string, weight int) (extapi.Place, error) {
	of := backend.Caller{Name: caller, Weight: weight}
	place, err := s.keyring.Enter(backend.WithCaller(ctx, of), address)
	switch {
	case err != nil:
		return nil, asVaultError(err)
	case place == nil:
		return nil, nil //nolint:nilnil // as it is told
	}
	return callerPlace{place, of}, nil
}

// callerPlace is a place of a caller, who waits again if it asks the vault again.
type callerPlace struct {
	*backend.Place
	caller backend.Caller
}

// Into returns a context by which Sign uses the place.
func (p callerPlace) Into(ctx context.Context) context.Context {
	return p.Place.Into(backend.WithCaller(ctx, p.caller))
}

// queueAt waits for a turn of a signer that another one stands before.
func queueAt(ctx context.Context, signer extapi.Signer, address common.Address, caller string, weight int) (extapi.Place, error) {
	queue, ok := signer.(extapi.Queue)
	if !ok {
		return nil, nil //nolint:nilnil // there is nothing to wait for
	}
	return queue.Queue(ctx, address, caller, weight)
}

// ruleAccount is an account as rules see it: without its public key.
func ruleAccount(a backend.Account) rules.Account {
	return rules.Account{Address: a.Address, Vault: a.Vault, Key: a.Key, Version: a.Version, Tags: a.Tags}
}

// vaultError is a vault's failure as the external API asks about it.
type vaultError struct {
	failure *backend.Error
}

// Error returns the failure's words.
func (e vaultError) Error() string { return e.failure.Error() }

// Unwrap returns the failure, so that its kind and cause stay in reach.
func (e vaultError) Unwrap() error { return e.failure }

// Public returns the words that are fit for the caller.
func (e vaultError) Public() string { return e.failure.Message }

// NotSigned reports whether it is certain that no signature was made.
func (e vaultError) NotSigned() bool { return e.failure.NotSigned }

// RetryAfter returns how long to wait before trying again, 0 when unknown or
// when waiting would not help.
func (e vaultError) RetryAfter() time.Duration { return e.failure.RetryAfter }

// RequestID returns the vault's id of the request that failed, "" if it has
// none.
func (e vaultError) RequestID() string { return e.failure.RequestID }

// goneError is an account that vanished between looking it up and signing.
type goneError struct{ error }

func (e goneError) Unwrap() error { return e.error }

// Public returns Clef's words for an account that isn't there.
func (goneError) Public() string { return "unknown account" }

// NotSigned is true: there was nothing to sign with.
func (goneError) NotSigned() bool { return true }

// asVaultError makes a vault's failure fit for the external API.
func asVaultError(err error) error {
	var failure *backend.Error
	if errors.As(err, &failure) {
		return vaultError{failure}
	}
	return err
}
