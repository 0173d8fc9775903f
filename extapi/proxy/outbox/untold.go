package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// toldAtOnce bounds the transactions that one warning names.
const toldAtOnce = 16

// warnOf notes a transaction that is under way after it was refused, of which its sender is to
// be told before it sends anything else.
func (l *lane) warnOf(r refusedTx) {
	l.untold = slices.DeleteFunc(l.untold, func(of refusedTx) bool { return of.hash == r.hash })
	l.untold = append(l.untold[max(0, len(l.untold)+1-maxRefused):], r)
}

// warn tells a caller that is about to send of its transactions that are under way after they
// were refused: it may be about to pay again. Each is told once, to whoever sent it, or to the
// next caller where that had no name, and to nobody who only asks what it would send.
func (o *Outbox) warn(ctx context.Context, l *lane) error {
	principal := extapi.PrincipalOf(ctx)
	var (
		left  []refusedTx
		names []string
	)
	for i, of := range l.untold {
		if named := of.principal != "" && of.principal != extapi.Anonymous; named && of.principal != principal || len(names) == toldAtOnce {
			left = append(left, of)
			continue
		}
		r, err := o.read(ctx, l.id.transaction(of.nonce, of.hash))
		if err != nil {
			l.untold = append(left, l.untold[i:]...)
			return recordsError{fmt.Errorf("reading a transaction that was refused: %w", err)}
		}
		if r != nil && (r.Untold && r.State != StateReplaced || r.State == StateRejected && len(r.Bytes) == 0) { // else its sender knows
			names = append(names, of.hash.Hex())
			o.toldOf(ctx, l.id, of.nonce, of.hash)
		}
	}
	l.untold = left
	switch len(names) {
	case 0:
		return nil
	case 1:
		return refuse("transaction %s, which the node refused before, is under way after all: look for it before you send it again", names[0])
	default:
		return refuse("transactions %s, which the node refused before, are under way after all: look for them before you send them again", strings.Join(names, ", "))
	}
}

// toldOf notes that the sender of a transaction knows that it is under way. Where that is not
// kept it is told again.
func (o *Outbox) toldOf(ctx context.Context, id laneID, nonce uint64, hash common.Hash) {
	key := id.transaction(nonce, hash)
	err := rules.ErrConflict
	for try := 0; try < maxTries && errors.Is(err, rules.ErrConflict); try++ { // it is looked at, too
		err = o.tryToldOf(ctx, key)
	}
	if err != nil {
		o.log.WarnContext(ctx, "Transaction that the node refused may be told of again", "hash", hash, "error", err)
	}
}

func (o *Outbox) tryToldOf(ctx context.Context, key string) error {
	old, err := o.cfg.Records.Record(ctx, key)
	if err != nil || old == nil {
		return err
	}
	r, err := decodeRecord(key, old)
	if err != nil || !r.Untold {
		return err
	}
	r.Untold = false
	value, err := r.encode()
	if err != nil {
		return err
	}
	return o.changeRecords(ctx, rules.Change{Key: key, Old: old, New: value})
}
