package bolt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// Bounds of a reservation, whose record is part of another one's. What has more is
// made durable here.
const (
	maxReserved      = 16      // charges
	maxReservedBytes = 4 << 10 // of names of counters and slots, in printable ASCII
)

var _ rules.Reserver = (*Store)(nil)

// Reserve is Hold, and where the store relies on an audit log it does not wait for the
// disk: with a reservation, what is held counts from here on, and is in the file soon
// after, or with whatever is written before. If the process ends before that, Recover
// finds it in the log. See [Store.Rely].
func (s *Store) Reserve(ctx context.Context, charges []rules.Charge) (rules.HoldID, *rules.Reservation, error) {
	if !s.writer.relies() || !reservable(charges) {
		id, err := s.Hold(ctx, charges)
		return id, nil, err
	}
	return s.holdOrReserve(ctx, charges, true)
}

func reservable(charges []rules.Charge) bool {
	n := 0
	for i := range charges {
		name := charges[i].Counter + charges[i].Slot
		if n += len(name); strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
			return false
		}
	}
	return len(charges) <= maxReserved && n <= maxReservedBytes
}

// reservation is what has to be written down of a hold.
func (t *tables) reservation(id rules.HoldID, charges []rules.Charge) *rules.Reservation {
	r := &rules.Reservation{ID: id, At: unix(t.now), Charges: make([]rules.Reserved, len(charges))}
	for i := range charges {
		c := &charges[i]
		r.Charges[i] = rules.Reserved{Counter: c.Counter, Slot: c.Slot, Amount: c.Amount, Expires: unix(c.Expiry(t.now))}
	}
	return r
}

func unix(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

// restore counts a reservation that the file does not have. It was within its caps and
// bounds when it was made, and what has come since does not make it less; what had
// expired by then is taken off first, for it had been.
func (t *tables) restore(r *rules.Reservation) error {
	if err := t.pass(r.At.UnixNano()); err != nil {
		return err
	}
	if err := t.add(r); err != nil {
		return fmt.Errorf("%w: %w", ErrUncounted, err)
	}
	t.state.now = max(t.state.now, r.At.UnixNano())
	return nil
}

// pass takes off what has expired at a time.
func (t *tables) pass(at int64) error {
	t.now = max(t.now, t.state.now, at)
	for {
		if more, err := t.expire(maxExpired); err != nil || !more {
			return err
		}
	}
}

// add counts a reservation.
func (t *tables) add(r *rules.Reservation) error {
	charges := make([]rules.Charge, len(r.Charges))
	expiries := make([]int64, len(r.Charges))
	for i, c := range r.Charges {
		charges[i] = rules.Charge{Counter: c.Counter, Slot: c.Slot, Amount: c.Amount, Window: 1}
		charges[i].Cap.SetAllOne()
		if expiries[i] = c.Expires.UnixNano(); expiries[i] <= 0 {
			return fmt.Errorf("reservation %d: a charge expired before 1970", r.ID)
		}
	}
	if err := rules.CheckCharges(charges); err != nil {
		return fmt.Errorf("reservation %d: %w", r.ID, err)
	}
	if r.ID <= t.state.hold {
		return fmt.Errorf("%w: reservation %d comes after hold %d", ErrCorrupt, r.ID, t.state.hold)
	}
	refusal, err := t.place(r.ID, charges, expiries, math.MaxInt)
	if err = errors.Join(refusal, err); err != nil {
		return fmt.Errorf("reservation %d: %w", r.ID, err)
	}
	return nil
}

// has tells whether the file has a reservation, or had all of it that counts still: what
// has expired may have been taken off.
func (t *tables) has(r *rules.Reservation) (bool, error) {
	for i, c := range r.Charges {
		key := chargeKey{expires: c.Expires.UnixNano(), hold: r.ID, index: uint16(i)}
		if key.expires > 0 && key.expires <= t.state.now {
			continue
		}
		record, err := t.get(bucketQueue, key.encode())
		if err != nil {
			return false, err
		}
		wanted := charge{amount: c.Amount, counter: c.Counter, slot: c.Slot}
		if !bytes.Equal(record, wanted.encode()) {
			return false, nil
		}
	}
	return true, nil
}

// Recover counts what was reserved and is not in the file: reservations that were
// written down after the place that [Store.Unsettled] names, in any order. All of them
// are durable when it returns. One whose id was used for another is counted with a new
// id: nobody is left who knows it by the old one. The error wraps [ErrUncounted] if one
// of them can't be counted, whoever tries again.
func (s *Store) Recover(ctx context.Context, reservations []rules.Reservation) (recovered int, err error) {
	sorted := slices.Clone(reservations)
	slices.SortStableFunc(sorted, func(a, b rules.Reservation) int { return cmp.Compare(a.ID, b.ID) })
	var others []rules.Reservation
	for some := range slices.Chunk(sorted, maxBatch) {
		if err := s.pass(ctx, some[0].At.UnixNano()); err != nil {
			return recovered, err
		}
		n, used, err := s.recover(ctx, some, false)
		if err != nil {
			return recovered, err
		}
		recovered, others = recovered+n, append(others, used...)
	}
	for some := range slices.Chunk(others, maxBatch) {
		n, _, err := s.recover(ctx, some, true)
		if err != nil {
			return recovered, err
		}
		recovered += n
	}
	return recovered, s.complete(ctx, func(*tables) error { return nil })
}

// pass takes off what has expired at a time, some with each transaction: it may be much
// in a copy of long ago.
func (s *Store) pass(ctx context.Context, at int64) error {
	for more := true; more; {
		err := s.writer.do(ctx, func(t *tables) (err error) {
			t.now = max(t.now, t.state.now, at)
			more, err = t.expire(maxExpired)
			return err
		})
		if err != nil {
			return fmt.Errorf("taking off what has expired: %w", err)
		}
	}
	return nil
}

// recover counts reservations in one transaction, but for those that the file has. It
// returns those whose ids are used, or gives them new ones.
func (s *Store) recover(ctx context.Context, reservations []rules.Reservation, renew bool) (recovered int, used []rules.Reservation, err error) {
	var ids []rules.HoldID
	err = s.writer.do(ctx, func(t *tables) error {
		for _, r := range reservations {
			if len(r.Charges) == 0 || len(r.Charges) > rules.MaxCharges {
				return fmt.Errorf("%w: reservation %d has %d charges", ErrUncounted, r.ID, len(r.Charges))
			}
			switch has, err := t.has(&r); {
			case err != nil:
				return err
			case has:
				continue
			case r.ID <= t.state.hold && !renew:
				used = append(used, r)
				continue
			case r.ID <= t.state.hold:
				r.ID = t.state.hold + 1
			}
			if err := t.restore(&r); err != nil {
				return err
			}
			ids = append(ids, r.ID)
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("counting what was reserved: %w", err)
	}
	for _, id := range ids {
		s.ledger.add(id)
	}
	return len(ids), used, nil
}
