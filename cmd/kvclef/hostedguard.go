package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// hostedGuard keeps a replica from acting for a service that another has deleted: what
// the store says of the service counts, not what the replica remembers. See
// [hosting.Serving].
type hostedGuard struct {
	records rules.Records
	key     string
	open    []byte
}

func newHostedGuard(records rules.Records, id string) hostedGuard {
	key, open := hosting.Serving(id)
	return hostedGuard{records, key, open}
}

// notThereError is an error that callers are told as it is.
type notThereError string

// errNotServed is a service that is deleted, or closed to be deleted.
const errNotServed = notThereError("the service is deleted, or is being deleted: it gives out no signature")

// Error returns the text.
func (e notThereError) Error() string { return string(e) }

// Public returns the text.
func (e notThereError) Public() string { return string(e) }

// served confirms that the service is served at this moment.
func (g hostedGuard) served(ctx context.Context) error {
	value, err := g.records.Record(ctx, g.key)
	switch {
	case err != nil:
		return fmt.Errorf("reading whether the service is served: %w", err)
	case !bytes.Equal(value, g.open):
		return errNotServed
	default:
		return nil
	}
}

// guardedRecords are the records of a service. Nothing is changed there unless the
// service is served at that moment, which the store compares in the same change.
type guardedRecords struct {
	scopedRecords
	guard hostedGuard
}

// ChangeRecords makes all changes, or none.
func (g guardedRecords) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	scoped, err := g.scoped(changes)
	if err != nil {
		return err
	}
	check := rules.Change{Key: g.guard.key, Old: g.guard.open, New: g.guard.open}
	err = g.records.ChangeRecords(ctx, append(scoped, check)...)
	if !errors.Is(err, rules.ErrConflict) {
		return err
	}
	// Nothing was changed. Who thinks that another was faster would try again.
	if of := g.guard.served(ctx); errors.Is(of, errNotServed) {
		return of
	}
	return err
}

// guardedSigner signs for a service while it is served, and gives no signature out that
// was made while it was deleted.
type guardedSigner struct {
	extapi.Signer
	guard hostedGuard
}

// Sign signs a digest.
func (s guardedSigner) Sign(ctx context.Context, address common.Address, digest common.Hash) (extapi.Signed, error) {
	if err := s.guard.served(ctx); err != nil {
		return extapi.Signed{}, notServedError{err, true}
	}
	signed, err := s.Signer.Sign(ctx, address, digest)
	if err != nil {
		return signed, err
	}
	if err := s.guard.served(ctx); err != nil {
		return extapi.Signed{}, notServedError{err, false}
	}
	return signed, nil
}

// Queue waits for a turn at a vault.
func (s guardedSigner) Queue(ctx context.Context, address common.Address, caller string, weight int) (extapi.Place, error) {
	return queueAt(ctx, s.Signer, address, caller, weight)
}

// notServedError is why nothing is signed for a service, or no signature given out.
type notServedError struct {
	error
	before bool // the vault was not asked
}

// Unwrap returns the cause.
func (e notServedError) Unwrap() error { return e.error }

// NotSigned reports whether it is certain that no signature was made.
func (e notServedError) NotSigned() bool { return e.before }

// Public returns the words that are fit for the caller.
func (e notServedError) Public() string {
	switch gone := errors.Is(e.error, errNotServed); {
	case gone:
		return errNotServed.Error()
	case e.before:
		return "the signer can't use its records, and nothing was signed: try again later"
	default:
		return "the signer can't use its records, and does not give out what was signed: try again later"
	}
}
