package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules"
)

// prefixClaims is of the records that say which hosted service an account sends for on a
// chain, where replicas share them: claim/CHAIN/ACCOUNT.
const prefixClaims = "claim/"

const (
	maxClaimTries = 16  // while others claim, too
	claimedAtOnce = 100 // accounts of one change
)

// claimRecord is the value of such a record. It stays when its service is deleted, which
// makes the account free, so that the next one knows who may have left something of it.
type claimRecord struct {
	Version uint64 `json:"version"`
	By      string `json:"by"` // the id of the service

	// From are the deleted services that may have left something, in the order in which
	// they had the account. The service sends nothing until it has taken that over, and
	// this is empty.
	From []string `json:"from,omitempty"`
}

// hostedClaims know for which hosted service each account sends on a chain, as
// [accountOwners] do, but by the store: the first to claim an account there has it, at
// whatever replica, until its service is deleted.
type hostedClaims struct {
	records *hostedRecords

	taking sync.Mutex // one at a time

	mu    sync.Mutex
	taken map[tookFrom]bool // what services of this process have for good

	unused unused
}

func newHostedClaims(records *hostedRecords) *hostedClaims {
	return &hostedClaims{records: records, taken: make(map[tookFrom]bool)}
}

// claim is what is known of an account on a chain.
type claim struct {
	chainAccount
	value []byte // of the record; nil: none
	claimRecord
}

func (c *claim) key() string {
	return prefixClaims + strconv.FormatUint(c.chain, 10) + "/" + strings.ToLower(c.account.Hex())
}

// change is what makes the claim that of a service which has taken over all, or is to
// take over what some have left.
func (c *claim) change(by string, from []string) (rules.Change, error) {
	value, err := json.Marshal(claimRecord{1, by, from})
	return rules.Change{Key: c.key(), Old: c.value, New: value}, err
}

// take gives a service accounts on chains, with what deleted services have left of them.
// The error is an [*ownedError] if another has one.
func (o *hostedClaims) take(ctx context.Context, by string, chains []uint64, accounts ...common.Address) error {
	wanted := o.untaken(by, chains, accounts)
	if len(wanted) == 0 {
		return nil
	}
	o.taking.Lock()
	defer o.taking.Unlock()
	for try := 0; ; try++ {
		err := o.try(ctx, by, wanted)
		if !errors.Is(err, rules.ErrConflict) || try == maxClaimTries {
			return err
		}
	}
}

// untaken returns what a service has not taken yet, each once, however many keys of a
// vault are of one account.
func (o *hostedClaims) untaken(by string, chains []uint64, accounts []common.Address) (wanted []chainAccount) {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := make(map[chainAccount]bool)
	for _, account := range accounts {
		for _, chain := range chains {
			of := chainAccount{chain, account}
			if !seen[of] && !o.taken[tookFrom{of, by}] {
				wanted = append(wanted, of)
			}
			seen[of] = true
		}
	}
	return wanted
}

// try takes all, or fails with [rules.ErrConflict] where others do something with it.
func (o *hostedClaims) try(ctx context.Context, by string, wanted []chainAccount) error {
	claims, err := o.read(ctx, wanted)
	if err != nil {
		return err
	}
	if err := o.free(ctx, by, claims); err != nil {
		return err
	}
	if err := o.begin(ctx, by, claims); err != nil {
		return err
	}
	if claims, err = o.read(ctx, wanted); err != nil {
		return err
	}
	if err := o.inherit(ctx, by, claims); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, of := range wanted {
		o.taken[tookFrom{of, by}] = true
	}
	return nil
}

// read reads what is claimed.
func (o *hostedClaims) read(ctx context.Context, wanted []chainAccount) ([]*claim, error) {
	claims := make([]*claim, len(wanted))
	for i, of := range wanted {
		c := &claim{chainAccount: of}
		value, err := o.records.Record(ctx, c.key())
		if err != nil {
			return nil, fmt.Errorf("reading for whom %v sends: %w", of.account, err)
		}
		if c.value = value; value != nil {
			if err := config.DecodeJSON(value, &c.claimRecord); err != nil {
				return nil, fmt.Errorf("record %s: %w", c.key(), err)
			}
			if c.Version != 1 {
				return nil, fmt.Errorf("record %s: it is of another version of kvclef: version %d, want 1", c.key(), c.Version)
			}
		}
		claims[i] = c
	}
	return claims, nil
}

// free refuses accounts that services have which there are. Those are read after the
// claims: an id that is not among them now never comes back.
func (o *hostedClaims) free(ctx context.Context, by string, claims []*claim) error {
	kept, err := hosting.ServiceIDs(ctx, o.records)
	if err != nil {
		return err
	}
	for _, c := range claims {
		if c.By != "" && c.By != by && kept[c.By] {
			return &ownedError{c.chainAccount, c.By}
		}
	}
	return nil
}

// begin claims what is not claimed for a service, if there is that service.
func (o *hostedClaims) begin(ctx context.Context, by string, claims []*claim) error {
	return o.changeEach(ctx, by, claims, func(c *claim) (change rules.Change, wanted bool, err error) {
		if c.By == by {
			return rules.Change{}, false, nil
		}
		from := c.From
		if c.By != "" {
			from = append(slices.DeleteFunc(slices.Clone(from), func(id string) bool { return id == c.By || id == by }), c.By)
		}
		change, err = c.change(by, from)
		return change, true, err
	})
}

// inherit moves what deleted services have left of accounts to where a service sends
// from, the oldest first, so that what one took over in part is found at the later.
func (o *hostedClaims) inherit(ctx context.Context, by string, claims []*claim) error {
	heir := make(map[string]bool)
	for _, c := range claims {
		if c.By != by {
			return fmt.Errorf("%w: another has claimed %v", rules.ErrConflict, c.account)
		}
		for _, from := range c.From {
			if heir[from] {
				continue
			}
			heir[from] = true
			takes := func(chain string, account common.Address) bool {
				return slices.ContainsFunc(claims, func(of *claim) bool {
					return of.account == account && strconv.FormatUint(of.chain, 10) == chain && slices.Contains(of.From, from)
				})
			}
			if err := outbox.Inherit(ctx, o.records, o.records.of(from).prefix, o.records.of(by).prefix, takes); err != nil {
				return fmt.Errorf("taking over what the deleted service %s has left: %w", from, err)
			}
		}
	}
	return o.changeEach(ctx, by, claims, func(c *claim) (change rules.Change, wanted bool, err error) {
		if len(c.From) == 0 {
			return rules.Change{}, false, nil
		}
		change, err = c.change(by, nil)
		return change, true, err
	})
}

// changeEach changes claims of a service, which must be there.
func (o *hostedClaims) changeEach(ctx context.Context, by string, claims []*claim, decide func(*claim) (change rules.Change, wanted bool, err error)) error {
	var changes []rules.Change
	for _, c := range claims {
		change, wanted, err := decide(c)
		switch {
		case err != nil:
			return err
		case wanted:
			changes = append(changes, change)
		}
	}
	key, _ := hosting.Serving(by)
	for some := range slices.Chunk(changes, claimedAtOnce) {
		is, err := o.records.Record(ctx, key)
		switch {
		case err != nil:
			return fmt.Errorf("reading whether there is the service: %w", err)
		case is == nil:
			return errNotServed
		}
		there := rules.Change{Key: key, Old: is, New: is}
		if err := o.records.ChangeRecords(ctx, append(slices.Clone(some), there)...); err != nil {
			return fmt.Errorf("claiming accounts for the service %s: %w", by, err)
		}
	}
	return nil
}

// has reports whether a service may send for an account. One that is new and free is
// claimed.
func (o *hostedClaims) has(ctx context.Context, by string, chains []uint64, account common.Address) bool {
	if by == ownPart { // see hosting.OccupyOwn
		return false
	}
	err := o.take(ctx, by, chains, account)
	if err != nil {
		o.unused.tell(ctx, o.records.log, by, account, err)
	}
	return err == nil
}

// release forgets what a service of this process has. For the store it has that until it
// is deleted.
func (o *hostedClaims) release(by string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for of := range o.taken {
		if of.by == by {
			delete(o.taken, of)
		}
	}
}
