package main

import (
	"context"
	"errors"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
)

// share has the runner work with the other replicas of a state that is shared, and
// returns the name of this one, "" if there are no others. Accounts of the process's own
// vaults can't send beside hosted services then: each replica has a configuration of its
// own, and what that names the others don't know.
func (h *hostRunner) share(ctx context.Context, own extapi.Signer) (replica string, err error) {
	shared := h.signing.state.shared()
	if shared == nil {
		return "", nil
	}
	if replica, err = h.signing.cfg.ReplicaName(); err != nil {
		return "", &usageError{err}
	}
	if accounts := own.Accounts(); len(accounts) > 0 {
		return "", usagef("vaults: %q has keys, such as of the account %v: where replicas share hosted services (%s beside store.postgres) those alone send; make the vault a configuration of theirs, or leave its keys out with the vault's word keys",
			accounts[0].Vault, accounts[0].Address, hostingKey)
	}
	used, err := outbox.HasLanes(ctx, h.signing.state.store)
	if err != nil {
		return "", err
	}
	if used {
		return "", usagef("store.postgres: accounts of the replicas' own vaults have sent from this schema: hosted services need a schema of their own, or remove %s", hostingKey)
	}
	h.shared, h.owners = shared, newHostedClaims(h.records)
	return replica, nil
}

// keepFor says where a service keeps what it sends, and signs.
func (h *hostRunner) keepFor(id string, signer extapi.Signer, parts *frontParts) {
	scoped := h.records.of(id)
	parts.place = scoped.prefix
	if h.shared == nil {
		parts.records, parts.signer = scoped, h.reserve(signer)
		return
	}
	guard := newHostedGuard(h.records, id)
	parts.records, parts.shared = guardedRecords{scoped, guard}, scopedShared{h.shared, scoped.prefix}
	parts.signer = h.reserve(guardedSigner{signer, guard})
}

// underWay counts the transactions under way of a service, whoever sends them.
func (h *hostRunner) underWay(ctx context.Context, id string) (int, error) {
	listing, err := outbox.Kept{Records: h.records.of(id)}.List(ctx, outbox.Filter{InFlight: true, Limit: 1})
	if err != nil {
		return 0, err
	}
	return inFlightOf(listing), nil
}

// hostingError marks what another configuration mends.
func hostingError(err error) error {
	if errors.Is(err, hosting.ErrInvalid) || errors.Is(err, hosting.ErrInUse) {
		return &usageError{err}
	}
	return err
}

// recountInterval is how often the room that services take is counted anew where other
// replicas take some, too.
const recountInterval = 30 * time.Second

// recount counts what other replicas add, until the context ends.
func (h *hostRunner) recount(ctx context.Context) {
	if h.shared == nil {
		return
	}
	ticker := time.NewTicker(recountInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := h.records.count(ctx); err != nil && ctx.Err() == nil {
			h.signing.log.WarnContext(ctx, "Room of hosted services not counted", "error", err)
		}
	}
}

// occupyOwn says, where replicas share the state, that the vaults of their own
// configurations send from it, and refuses one from which hosted services do.
func (s *signing) occupyOwn(ctx context.Context) error {
	if s.state.shared() == nil {
		return nil
	}
	replica, err := s.cfg.ReplicaName()
	if err != nil {
		return &usageError{err}
	}
	return hostingError(hosting.OccupyOwn(ctx, s.state.store, replica))
}
