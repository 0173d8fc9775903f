package outbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// maxKey bounds an idempotency key, in bytes.
const maxKey = 256

// maxKeys bounds the idempotency keys that are remembered. The log warns before.
const (
	maxKeys  = 400_000
	manyKeys = maxKeys / 5 * 4
)

// The states of an idempotency key. It begins before anything is signed, and is done
// together with the keeping of the transaction. One that was begun and not done
// when the process ended stays so: something may have been signed for it, see
// [Outbox.unfinished]. That the node refused the transaction is here too, since its
// record may go earlier.
const (
	claimBegun   = "begun"
	claimDone    = "done"
	claimRefused = "refused"
	claimLogged  = "logged" // of which the audit log alone knows, see [UseLogged]
)

// claimRecord is the value of a key's record.
type claimRecord struct {
	Version int          `json:"version"`
	State   string       `json:"state"`
	Request string       `json:"request"` // SHA-256 of what was asked, hexadecimal
	Time    time.Time    `json:"time"`
	Hash    *common.Hash `json:"hash,omitempty"`   // of the transaction; of a begun one that which the node refused last
	Record  string       `json:"record,omitempty"` // of that transaction

	// By is of one claim alone, where others claim keys too: theirs is never taken for it.
	// It begins with whose it is. It is gone from one that was begun and that nobody may
	// finish any more.
	By string `json:"by,omitempty"`

	Logged string `json:"logged,omitempty"` // the id of the request in the audit log, of a key of which that alone knows
}

// claim is a request's hold on its idempotency key.
type claim struct {
	key   string // of its record
	value []byte // its record as it is; nil: none
	claimRecord
}

// decodeClaim reads the record of an idempotency key.
func decodeClaim(key string, value []byte) (*claim, error) {
	c := &claim{key: key, value: value}
	if err := decodeStrictly(value, &c.claimRecord); err != nil {
		return nil, fmt.Errorf("reading record %s: %w", key, err)
	}
	switch c.State {
	case claimBegun, claimLogged:
	case claimDone, claimRefused:
		if c.Hash == nil {
			return nil, fmt.Errorf("reading record %s: it is %s without a transaction", key, c.State)
		}
	default:
		return nil, fmt.Errorf("reading record %s: state %q is unknown: a newer kvclef wrote it", key, c.State)
	}
	return c, nil
}

// to returns the change of the claim's record to what it is now, with its transaction; nil
// is that which it had.
func (c *claim) to(state string, r *record) (rules.Change, error) {
	next := c.claimRecord
	next.State = state
	if r != nil {
		next.Hash, next.Record = &r.Hash, r.key()
	}
	value, err := json.Marshal(next)
	return rules.Change{Key: c.key, Old: c.value, New: value}, err
}

// took takes over what was made of the claim's record.
func (c *claim) took(changes []rules.Change) {
	for _, change := range changes {
		if c != nil && change.Key == c.key {
			c.value = change.New
		}
	}
}

// sendKeyed sends with an idempotency key: once, however often it is asked.
func (o *Outbox) sendKeyed(ctx context.Context, given *extapi.PartialTransaction, key string) (common.Hash, error) {
	if len(key) > maxKey {
		return common.Hash{}, refuse("the idempotency key has %d bytes: at most %d are taken", len(key), maxKey)
	}
	path, shared := o.keyPaths(extapi.PrincipalOf(ctx), key)
	leave, err := o.turns.enter(ctx, path)
	if err != nil {
		return common.Hash{}, err
	}
	defer leave()
	request, err := requestHash(given)
	if err != nil {
		return common.Hash{}, err
	}
	for _, of := range append(shared, path) {
		switch value, err := o.cfg.Records.Record(ctx, of); {
		case err != nil:
			return common.Hash{}, recordsError{fmt.Errorf("reading an idempotency key: %w", err)}
		case value != nil:
			if free, err := o.freed(ctx, of, value); err != nil {
				return common.Hash{}, err
			} else if !free {
				return o.repeat(ctx, of, value, request)
			}
		}
	}
	d, err := o.draftOf(ctx, given)
	if err != nil {
		return common.Hash{}, err
	}
	c := &claim{key: path, claimRecord: claimRecord{Version: recordVersion, State: claimBegun, Request: request, Time: o.cfg.Clock().UTC()}}
	if o.cfg.Shared != nil {
		c.By = o.process + rand.Text()
	}
	if err := o.begin(ctx, c); err != nil {
		return common.Hash{}, err
	}
	hash, err := o.dispatch(extapi.WithIdempotency(ctx, o.cfg.Place+path, request), d, c)
	var spent spentError
	if err != nil && !errors.As(err, &spent) {
		o.free(ctx, c)
	}
	return hash, err
}

// repeat answers a request whose key was used before.
func (o *Outbox) repeat(ctx context.Context, path string, value []byte, request string) (common.Hash, error) {
	c, err := decodeClaim(path, value)
	switch {
	case err != nil:
		return common.Hash{}, err
	case c.Request != request:
		return common.Hash{}, refuse("this idempotency key was used for another request: use a new one")
	case c.State == claimBegun:
		return o.unfinished(ctx, c)
	case c.State == claimLogged:
		return c.logged()
	}
	kept, err := o.cfg.Records.Record(ctx, c.Record)
	if err != nil {
		return common.Hash{}, fmt.Errorf("reading the transaction of an idempotency key: %w", err)
	}
	var r *record
	if kept != nil { // else it is done with, and its record gone
		if r, err = decodeRecord(c.Record, kept); err != nil {
			return common.Hash{}, err
		}
	}
	switch {
	case r != nil && r.State == StateReplaced:
		return o.inPlaceOf(ctx, r)
	case r != nil && r.State == StateRejected, c.State == claimRefused:
		return o.stillRefused(ctx, c, r)
	case r != nil && r.State.InFlight() && o.mayGo(ctx, c, r):
		return common.Hash{}, errKeyBusy()
	default:
		if r != nil && r.Untold {
			o.toldOf(ctx, r.lane(), r.Nonce, r.Hash)
		}
		return *c.Hash, nil
	}
}

// mayGo reports whether another process may still find out that the node has not taken a
// transaction, and sign another one for its key. What the node knows it has taken. By its
// record alone it can't be told, so that it is given the time that a request takes.
func (o *Outbox) mayGo(ctx context.Context, c *claim, r *record) bool {
	if o.cfg.Shared == nil || strings.HasPrefix(c.By, o.process) || o.knownFor(ctx, r) >= o.cfg.Patience+o.judgedWithin() {
		return false
	}
	known, err := o.knows(ctx, []refusedTx{{hash: r.Hash}})
	return err != nil || !known[0]
}

// knownFor is how long this process has known of a transaction that is followed. When it was
// kept is by another's clock, maybe.
func (o *Outbox) knownFor(ctx context.Context, r *record) time.Duration {
	e, known := o.book.find(r.Hash)
	if !known && o.takeOver(ctx) == nil { // it is from now on
		e, known = o.book.find(r.Hash)
	}
	if !known {
		return 0
	}
	return o.cfg.Clock().Sub(e.since)
}

// unfinished answers for a key that was begun and not finished. Of this process nobody is
// at it any more. Another may be: it is given the time that a request takes, and then kept
// from finishing, before anybody is told that nothing is under way. A transaction that the node refused, after which another nonce was tried, is looked for
// first: its hash is returned if it is under way after all.
func (o *Outbox) unfinished(ctx context.Context, c *claim) (common.Hash, error) {
	if c.By != "" { // others claim keys, too
		age := o.cfg.Clock().Sub(c.Time) // by another's clock, maybe, which decides nothing but how long it is waited
		if !strings.HasPrefix(c.By, o.process) && age.Abs() < o.cfg.Patience {
			return common.Hash{}, errKeyBusy()
		}
		c.By = ""
		ended, err := c.to(claimBegun, nil)
		if err == nil {
			err = o.changeRecords(ctx, ended)
		}
		switch {
		case errors.Is(err, rules.ErrConflict): // it is finished, or given back
			return common.Hash{}, errKeyBusy()
		case err != nil:
			return common.Hash{}, recordsError{fmt.Errorf("ending an idempotency key: %w", err)}
		}
	}
	begun := fmt.Sprintf("an earlier request with this idempotency key was begun at %s and not finished", c.Time.Format(time.RFC3339))
	if c.Record == "" {
		return common.Hash{}, refuse("%s: something may have been signed for it, nothing of it is under way; to send it anew use a new key", begun)
	}
	if hash, alive, err := o.alive(ctx, c); err != nil || alive {
		return hash, err
	}
	return common.Hash{}, refuse("%s: the node refused transaction %v of it, and does not know it now either; nothing else of it is under way; to send it anew use a new key", begun, c.Hash)
}

func errKeyBusy() error {
	return &busyError{"another request with this idempotency key is under way", time.Second}
}

// lost reports whether another process has ended a claim, so that what was signed for it
// may not be kept.
func (o *Outbox) lost(ctx context.Context, c *claim) (bool, error) {
	if c == nil || o.cfg.Shared == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	now, err := o.cfg.Records.Record(ctx, c.key)
	return err == nil && !bytes.Equal(now, c.value), err
}

// begin claims a key. When it returns nil that is durable.
func (o *Outbox) begin(ctx context.Context, c *claim) error {
	if o.claims.Load() >= maxKeys {
		return &busyError{fmt.Sprintf("%d idempotency keys are remembered: keep them for a shorter time", maxKeys), time.Minute}
	}
	change, err := c.to(claimBegun, nil)
	if err != nil {
		return err
	}
	if err := o.changeRecords(ctx, change); err != nil {
		if errors.Is(err, rules.ErrConflict) {
			return errKeyBusy()
		}
		now, unread := o.cfg.Records.Record(context.WithoutCancel(ctx), c.key)
		if unread != nil || !bytes.Equal(now, change.New) {
			return recordsError{fmt.Errorf("claiming an idempotency key: %w", errors.Join(err, unread))}
		}
	}
	c.value = change.New
	if o.claims.Add(1) == manyKeys {
		o.log.WarnContext(ctx, "Idempotency keys fill up: when as many are remembered as may be, requests with a new one are refused; shorten proxy.retain",
			"keys", manyKeys, "most", maxKeys, "retain", o.cfg.Retain)
	}
	return nil
}
