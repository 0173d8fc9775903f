package outbox

import (
	"context"
	"fmt"
)

// load reads all records. Transactions that were under way are looked for at once:
// whatever ended the process, they may not have been sent.
func (o *Outbox) load(ctx context.Context) error {
	if err := o.firstMark(ctx); err != nil {
		return err
	}
	err := o.cfg.Records.EachRecord(ctx, prefixLanes, func(key string, value []byte) error {
		id, err := laneOf(key)
		if err != nil {
			return err
		}
		l := o.book.lane(id)
		l.stored = value
		next, err := decodeLane(key, value)
		l.move(next)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading lanes: %w", err)
	}
	refused := make(olderRefused)
	err = o.cfg.Records.EachRecord(ctx, prefixTransactions, func(key string, value []byte) error {
		r, err := decodeRecord(key, value)
		if err == nil && r.State == StateRejected {
			o.refusedBytes.Add(r.refused())
			l := o.book.lane(r.lane())
			refused.add(l, refusedOf(r))
			if r.Own && r.Nonce >= l.next {
				o.book.setAhead(l, true)
			}
		}
		if err == nil && r.Untold {
			o.book.lane(r.lane()).warnOf(refusedOf(r))
		}
		if err == nil && (r.State == StateMined || r.State == StateFinal) {
			o.book.used(o.book.lane(r.lane()), r.Nonce, r.State == StateFinal)
		}
		if err == nil && r.followed() {
			o.book.follow(o.book.lane(r.lane()), r, false, o.cfg.Clock(), o.cfg.Rebroadcast)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading transactions: %w", err)
	}
	refused.remember(o.book)
	err = o.cfg.Records.EachRecord(ctx, prefixKeys+o.cfg.Scope+"/", func(key string, value []byte) error {
		o.claims.Add(1)
		_, err := decodeClaim(key, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading idempotency keys: %w", err)
	}
	if err := o.loadParked(ctx); err != nil {
		return fmt.Errorf("reading drafts: %w", err)
	}
	return nil
}

// followed reports whether a transaction may still change. One that was replaced
// has its bytes for as long as a reorganisation may bring it back.
func (r *record) followed() bool {
	return r.State.InFlight() || r.State == StateMined || r.State == StateReplaced && len(r.Bytes) > 0
}
