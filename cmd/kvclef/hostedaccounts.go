package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
)

// ownPart is whose the accounts of the process's own vaults are.
const ownPart = "the process's own"

// accountOwners know for whom each account sends on a chain. One key may be in two
// vaults, such as after a restore: two services, or a service and the process, would
// give its nonces twice. So the first that has it sends.
type accountOwners struct {
	records *hostedRecords

	taking sync.Mutex // one at a time

	mu sync.Mutex
	by map[chainAccount]string // ownPart, or the id of a service

	unused unused
}

type chainAccount struct {
	chain   uint64
	account common.Address
}

type tookFrom struct {
	chainAccount
	by string
}

func newAccountOwners(records *hostedRecords) *accountOwners {
	return &accountOwners{records: records, by: make(map[chainAccount]string)}
}

// ownedError says whose an account is.
type ownedError struct {
	chainAccount
	by string
}

// Error tells the operator what to do.
func (e *ownedError) Error() string {
	by := e.by
	if by != ownPart {
		by = "the service " + by
	}
	return fmt.Sprintf("the account %s, which is in its vault, sends on chain %d for %s already, and would have the same nonces twice: take the key out of one of the two vaults, or leave it out with the vault's word keys; a deleted service gives its accounts back",
		e.account, e.chain, by)
}

// take gives somebody accounts on chains, all of them or none, with what deleted
// services have left of them. The error is an [*ownedError] if another has one.
func (o *accountOwners) take(ctx context.Context, by string, chains []uint64, accounts ...common.Address) error {
	var wanted []chainAccount
	for _, account := range accounts {
		for _, chain := range chains {
			wanted = append(wanted, chainAccount{chain, account})
		}
	}
	o.taking.Lock()
	defer o.taking.Unlock()
	fresh, err := o.unowned(by, wanted)
	if err != nil || len(fresh) == 0 {
		return err
	}
	if err := o.inherit(ctx, by, fresh); err != nil {
		return err
	}
	if err := o.sentBefore(ctx, by, fresh); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, of := range fresh {
		o.by[of] = by
	}
	return nil
}

// add gives an account that came to a vault to whoever runs already, if nobody has it
// and nobody has sent with it: what is left of it would have to be read before.
func (o *accountOwners) add(ctx context.Context, by string, chains []uint64, account common.Address) error {
	var wanted []chainAccount
	for _, chain := range chains {
		wanted = append(wanted, chainAccount{chain, account})
	}
	fresh, err := o.unowned(by, wanted)
	if err != nil || len(fresh) == 0 {
		return err
	}
	o.taking.Lock()
	defer o.taking.Unlock()
	if fresh, err = o.unowned(by, wanted); err != nil || len(fresh) == 0 {
		return err
	}
	if err := o.sentBefore(ctx, by, fresh); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, of := range fresh {
		o.by[of] = by
	}
	return nil
}

// unowned returns those that nobody has.
func (o *accountOwners) unowned(by string, wanted []chainAccount) (fresh []chainAccount, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, of := range wanted {
		switch owner, owned := o.by[of]; {
		case !owned:
			fresh = append(fresh, of)
		case owner != by:
			return nil, &ownedError{of, owner}
		}
	}
	return fresh, nil
}

// sentBefore refuses accounts with which another service has sent that is not
// running: what it sent may be under way.
func (o *accountOwners) sentBefore(ctx context.Context, by string, wanted []chainAccount) error {
	for _, id := range o.records.ids() {
		if id == by {
			continue
		}
		for _, of := range wanted {
			has, err := outbox.HasLane(ctx, o.records.of(id), of.chain, of.account)
			if err != nil {
				return err
			}
			if !has {
				continue
			}
			if own, err := o.hasLane(ctx, by, of); err != nil || own { // both have: who comes first
				return err
			}
			return &ownedError{of, id}
		}
	}
	return nil
}

func (o *accountOwners) hasLane(ctx context.Context, by string, of chainAccount) (bool, error) {
	if by == ownPart {
		return outbox.HasLane(ctx, o.records, of.chain, of.account)
	}
	return outbox.HasLane(ctx, o.records.of(by), of.chain, of.account)
}

// has reports whether somebody that runs may send for an account. One that is new and
// free is taken.
func (o *accountOwners) has(ctx context.Context, by string, chains []uint64, account common.Address) bool {
	err := o.add(ctx, by, chains, account)
	if err != nil {
		o.unused.tell(ctx, o.records.log, by, account, err)
	}
	return err == nil
}

// release gives back what a service has.
func (o *accountOwners) release(by string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for of, owner := range o.by {
		if owner == by {
			delete(o.by, of)
		}
	}
}

// inherit moves what deleted services have left of accounts to where somebody sends
// from. Of a service that there is nothing moves.
func (o *accountOwners) inherit(ctx context.Context, by string, wanted []chainAccount) error {
	kept, err := hosting.ServiceIDs(ctx, o.records)
	if err != nil {
		return err
	}
	to := ""
	if by != ownPart {
		to = o.records.of(by).prefix
	}
	takes := func(chain string, account common.Address) bool {
		return slices.ContainsFunc(wanted, func(of chainAccount) bool { return of.account == account && strconv.FormatUint(of.chain, 10) == chain })
	}
	for _, id := range o.records.ids() {
		if kept[id] || id == by {
			continue
		}
		if err := outbox.Inherit(ctx, o.records, o.records.of(id).prefix, to, takes); err != nil {
			return fmt.Errorf("taking over what the deleted service %s has left: %w", id, err)
		}
	}
	return nil
}

// unused are the accounts of which the log says that somebody does not use them: once of
// each, for they are asked about again and again.
type unused struct {
	mu   sync.Mutex
	told map[tookFrom]bool
}

func (u *unused) tell(ctx context.Context, log *slog.Logger, by string, account common.Address, why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	of := tookFrom{chainAccount{account: account}, by}
	if u.told[of] {
		return
	}
	if u.told == nil {
		u.told = make(map[tookFrom]bool)
	}
	u.told[of] = true
	log.WarnContext(ctx, "Account not used", "account", account, "service", by, "error", why)
}
