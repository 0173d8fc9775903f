package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// shared is what an outbox remembers of the records that other processes change, too.
type shared struct {
	// It is held for reading while a change is made and taken over, and for writing
	// while what others did is read and taken over: what is read must not take the place
	// of what was changed since.
	mu sync.RWMutex

	mark rules.Mark // up to which what others did is taken over
}

// takeTurn waits for a lane's turn, also among the other processes that send from the
// same records, and takes over what those did. Leave ends the turn.
//
// A turn among processes may be lost without a sign. So each keeping of a transaction
// compares the lane's record as well, and nothing is sent that is not kept.
func (o *Outbox) takeTurn(ctx context.Context, l *lane) (leave func(), err error) {
	if err := l.enter(ctx, o.cfg.MaxQueue); err != nil {
		return nil, err
	}
	if o.cfg.Shared == nil {
		return l.leave, nil
	}
	release, err := o.cfg.Shared.Lock(ctx, l.key())
	if err != nil {
		l.leave()
		return nil, recordsError{fmt.Errorf("waiting for the turn of account %v: %w", l.id.account, err)}
	}
	leave = func() {
		release() // before the next of this process asks, so that others come before it
		l.leave()
	}
	if err := o.catchUp(ctx, l); err != nil {
		leave()
		return nil, recordsError{fmt.Errorf("reading what others sent from account %v: %w", l.id.account, err)}
	}
	return leave, nil
}

// catchUp takes over what others did, also with a lane, whose turn is the caller's.
func (o *Outbox) catchUp(ctx context.Context, l *lane) error {
	if err := o.takeOver(ctx); err != nil {
		return err
	}
	if err := o.catchUpLane(ctx, l); err != nil {
		return err
	}
	for _, r := range o.book.refusedElsewhere(l) {
		if r.untold {
			l.warnOf(r)
			continue
		}
		known := slices.ContainsFunc(l.refused, func(of refusedTx) bool { return of.hash == r.hash })
		if !known { // else it was refused here
			l.remember(r)
		}
	}
	return nil
}

// catchUpLane takes over the next nonce of a lane, whose turn is the caller's.
func (o *Outbox) catchUpLane(ctx context.Context, l *lane) error {
	value, err := o.cfg.Records.Record(ctx, l.key())
	if err != nil || bytes.Equal(value, l.stored) {
		return err
	}
	next, err := decodeLane(l.key(), value)
	if err != nil {
		return err
	}
	l.stored, l.known = value, false
	l.move(next)
	return nil
}

// catchUpAhead takes over the next nonces of lanes that are looked at as beyond what the node
// takes: another process may have gone back with them, and this one does not send.
func (o *Outbox) catchUpAhead(ctx context.Context, lanes []*lane) {
	if o.cfg.Shared == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for _, l := range lanes {
		if !l.line.try() { // whose turn it is does it
			continue
		}
		if err := o.catchUpLane(ctx, l); err != nil {
			o.log.WarnContext(ctx, "What others sent was not read", "account", l.id.account, "error", err)
		}
		l.leave()
	}
}

// takeOver reads the transactions that were changed since the last time, and follows
// them as their records say.
func (o *Outbox) takeOver(ctx context.Context) error {
	if o.cfg.Shared == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	o.shared.mu.Lock()
	defer o.shared.mu.Unlock()
	type changed struct {
		key   string
		value []byte
	}
	var all []changed
	mark, err := o.cfg.Shared.RecordsSince(ctx, prefixTransactions, o.shared.mark, func(key string, value []byte) error {
		all = append(all, changed{key, value})
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := o.takeOverOne(ctx, c.key, c.value); err != nil {
			return err
		}
	}
	o.shared.mark = mark
	return nil
}

func (o *Outbox) takeOverOne(ctx context.Context, key string, value []byte) error {
	if value == nil {
		o.book.drop(common.HexToHash(key[strings.LastIndexByte(key, '/')+1:]))
		return nil
	}
	r, err := decodeRecord(key, value)
	if err != nil {
		return err
	}
	l := o.book.lane(r.lane())
	switch e, followed := o.book.find(r.Hash); {
	case followed && e.is(r):
	case followed:
		o.took(ctx, e, r)
	case r.followed():
		// Whoever kept it sends it; if it does not come to that, this process does.
		o.book.follow(l, r, false, o.cfg.Clock().Add(o.cfg.Rebroadcast), o.cfg.Rebroadcast)
	}
	if r.Untold {
		o.book.refuseElsewhere(l, refusedOf(r))
	}
	switch r.State {
	case StateRejected:
		o.book.refuseElsewhere(l, refusedOf(r))
		if r.Own && r.Nonce >= l.told.Load() {
			o.book.setAhead(l, true)
		}
	case StateMined, StateFinal:
		o.book.used(l, r.Nonce, r.State == StateFinal)
	}
	return nil
}

// firstMark finds from where on others' changes are to be read. Everything before is
// read after it.
func (o *Outbox) firstMark(ctx context.Context) (err error) {
	if o.cfg.Shared == nil {
		return nil
	}
	o.shared.mark, err = o.cfg.Shared.RecordsSince(ctx, prefixLanes, 0, func(string, []byte) error { return nil })
	if err != nil {
		return fmt.Errorf("finding what others send: %w", err)
	}
	return nil
}

// is reports whether a record says of a transaction what is known.
func (e *entry) is(r *record) bool {
	sameBlock := e.block == nil && r.Block == nil || e.block != nil && r.Block != nil && *e.block == *r.Block
	return r.followed() && sameBlock && (e.state == r.State || e.state.InFlight() && r.State.InFlight())
}

// check is the change that keeps a lane as it is, and fails if another process has
// changed it.
func (l *lane) check() rules.Change { return rules.Change{Key: l.key(), Old: l.stored, New: l.stored} }

// byAnother reports whether an error is that another process was faster.
func (o *Outbox) byAnother(err error) bool {
	return o.cfg.Shared != nil && errors.Is(err, rules.ErrConflict)
}

// refuseElsewhere notes a transaction that the node refused, or took after all. Whoever has the turn of its
// lane next remembers it.
func (b *book) refuseElsewhere(l *lane, r refusedTx) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.elsewhere = withRefused(l.elsewhere, r)
}

// refusedElsewhere returns what was noted, once.
func (b *book) refusedElsewhere(l *lane) []refusedTx {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := l.elsewhere
	l.elsewhere = nil
	return found
}
