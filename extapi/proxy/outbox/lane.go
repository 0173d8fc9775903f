package outbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"sync/atomic"
	"time"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// lane hands out the nonces of an account on a chain, one after the other. Who has
// its turn keeps it from the nonce until the node has answered, so that a nonce
// that was not used can be given back without leaving a gap.
type lane struct {
	id   laneID
	line line

	// Whose turn it is may use these.
	next   uint64  // the nonce after the last one in sequence
	known  bool    // the node has been asked since it last refused something
	passed uint64  // the nonce after the last one in a block, as the node counted in this turn; 0: it was not asked
	stored []byte  // the lane's record; nil: none
	doubt  *record // signed, and not known whether it was kept; nil: none

	refused []refusedTx // the last ones of nonces that nothing else has
	untold  []refusedTx // under way after all, as their senders are to be told

	// The book's lock is for these.
	entries  map[uint64][]*entry
	inFlight int
	bytes    int64   // of the raw transactions that are followed
	missing  *uint64 // the nonce that those above it wait for; nil: none
	misses   int     // at how many blocks in a row one was found missing
	ahead    bool    // the node refused the last one with a nonce of the lane, which may be too high
	used     uint64  // the nonce after the highest one that is known to be mined
	final    uint64  // the same of those that are final
	below    uint64  // at how many blocks in a row the node counted fewer than that

	belowSince time.Time // when it first did

	elsewhere []refusedTx // refused of others, or found under way by them, as whose turn it is does not know yet

	told     atomic.Uint64 // next, for those whose turn it is not
	doubtful atomic.Bool   // whether there is a doubt, for those too
}

func newLane(id laneID) *lane {
	return &lane{id: id, entries: make(map[uint64][]*entry)}
}

// move sets the next nonce.
func (l *lane) move(next uint64) {
	l.next = next
	l.told.Store(next)
}

// key is the key of the lane's record.
func (l *lane) key() string { return prefixLanes + l.id.path() }

// chain is the id of the lane's chain.
func (l *lane) chain() *big.Int {
	id, _ := new(big.Int).SetString(l.id.chain, 10)
	return id
}

// enter waits for the turn among all callers, which ends with leave.
func (l *lane) enter(ctx context.Context, most int) error {
	err := l.line.enter(ctx, extapi.PrincipalOf(ctx), most)
	if errors.Is(err, errFullLine) {
		return &busyError{fmt.Sprintf("%d requests wait for account %v", most, l.id.account), time.Second}
	}
	return err
}

// leave ends the turn.
func (l *lane) leave() { l.line.leave() }

// number returns the nonce of the next transaction: one that is missing below those
// under way, or the lane's next. The node is asked when nothing
// of the account is under way, since then others may have sent for it, and after
// it refused something. Its count never lowers the lane: a node that lags, or that
// has lost its pool, counts too few.
func (o *Outbox) number(ctx context.Context, l *lane) (uint64, error) {
	if !l.known || o.book.idle(l) {
		if err := o.learn(ctx, l); err != nil {
			return 0, err
		}
	}
	nonce, missing, err := o.fillGap(ctx, l)
	if err != nil || missing {
		return nonce, err
	}
	nonce = l.next
	for o.book.taken(l, nonce) { // by one whose nonce its sender chose
		nonce++
	}
	if nonce == math.MaxUint64 {
		return 0, refuse("account %v has no nonces left", l.id.account)
	}
	return nonce, nil
}

// learn moves a lane up to what the node counts.
func (o *Outbox) learn(ctx context.Context, l *lane) error {
	seen, err := o.standing(ctx, l.id.chain, l.id.account)
	if err != nil {
		return err
	}
	if _, err := o.checkRefused(ctx, l, seen); err != nil {
		return err
	}
	l.move(max(l.next, seen.next))
	l.known, l.passed = true, seen.mined
	return nil
}

// reload reads the lane's record again, after another writer changed it or it is
// not known whether it was changed.
func (o *Outbox) reload(ctx context.Context, l *lane) error {
	value, err := o.cfg.Records.Record(ctx, l.key())
	if err != nil {
		return err
	}
	next, err := decodeLane(l.key(), value)
	if err != nil {
		return err
	}
	l.stored, l.known = value, false
	l.move(max(l.next, next))
	return nil
}

// peek returns the nonce that the next transaction would have, and takes nothing.
func (o *Outbox) peek(ctx context.Context, id laneID) (uint64, error) {
	l := o.book.lane(id)
	if err := l.enter(ctx, o.cfg.MaxQueue); err != nil {
		return 0, err
	}
	defer l.leave()
	if o.cfg.Shared != nil {
		if err := o.catchUp(ctx, l); err != nil {
			return 0, recordsError{fmt.Errorf("reading what others sent from account %v: %w", id.account, err)}
		}
	}
	return o.number(ctx, l)
}

// laneChange is the change of a lane's record to another next nonce.
func (l *lane) laneChange(next uint64) rules.Change {
	return rules.Change{Key: l.key(), Old: l.stored, New: encodeLane(next)}
}

// took takes over what was made of the lane's record.
func (l *lane) took(changes []rules.Change) {
	for _, change := range changes {
		if change.Key == l.key() && change.New != nil {
			l.stored = change.New
			next, _ := decodeLane(change.Key, change.New) // which was encoded here
			l.move(next)
		}
	}
}

// settleDoubt finds out what became of a transaction of which it was not known
// whether it was kept, or whether its refusal was. Until that is known nothing else
// is sent: its nonce may be used.
func (o *Outbox) settleDoubt(ctx context.Context, l *lane) error {
	r := l.doubt
	if r == nil {
		return nil
	}
	kept, err := o.read(ctx, r.key())
	if err == nil {
		err = o.reload(ctx, l)
	}
	if err != nil {
		o.log.ErrorContext(ctx, "Account blocked: records can't be read", "account", l.id.account, "error", err)
		return errBlocked
	}
	o.shared.mu.RLock()
	defer o.shared.mu.RUnlock()
	_, followed := o.book.find(r.Hash)
	switch {
	case kept != nil && kept.State == StateRejected && followed:
		o.book.drop(r.Hash)
		l.remember(refusedOf(kept))
		if r.advanced && l.next == r.Nonce+1 {
			l.move(r.Nonce)
		}
	case kept != nil && kept.followed() && !followed:
		o.book.follow(l, kept, false, o.cfg.Clock(), o.cfg.Rebroadcast)
	}
	l.doubts(nil)
	return nil
}

// doubts notes of which transaction it is not known what became of it, nil being none.
func (l *lane) doubts(r *record) {
	l.doubt = r
	l.doubtful.Store(r != nil)
}

// settleDoubts settles the doubts of lanes whose turn it is nobody's: a transaction
// that was kept is to be sent also where nobody sends another.
func (o *Outbox) settleDoubts(ctx context.Context) {
	for _, l := range o.book.all() {
		if !l.doubtful.Load() {
			continue
		}
		if l.line.try() { // else whose turn it is does it
			_ = o.settleDoubt(ctx, l) // it has told the log
			l.leave()
		}
	}
}
