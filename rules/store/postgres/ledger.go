package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// maxTries bounds how often a transaction is made anew that the database ended
// for the sake of others, or that had first to take off what expired.
const maxTries = 8

// holders is how many transactions of holds a process makes at a time.
const holders = 2

// holdJob is a hold on its way.
type holdJob struct {
	job
	charges []rules.Charge
	id      rules.HoldID
	refusal error
}

// Hold counts all charges or none, and has made that durable when it returns.
// The error is as for [rules.Ledger], or a *[store.BusyError] if too many are
// waiting. If ctx ends first, nothing is held, or what is held is given back.
// If the connection is lost, what may be held counts until its windows pass.
func (s *Store) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	if err := rules.CheckCharges(charges); err != nil {
		return 0, err
	}
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	j := &holdJob{charges: cloneCharges(charges)}
	for i := range charges {
		j.weight += len(charges[i].Counter) + len(charges[i].Slot) + 96
	}
	if _, err := s.holds.do(ctx, j); err != nil {
		return 0, fmt.Errorf("holding: %w", err)
	}
	if j.refusal != nil {
		var over *rules.OverLimitError
		if errors.As(j.refusal, &over) {
			s.findRoom(ctx, over)
		}
		return 0, j.refusal
	}
	return j.id, nil
}

func cloneCharges(charges []rules.Charge) []rules.Charge {
	charges = slices.Clone(charges)
	for i := range charges {
		c := &charges[i]
		c.Counter, c.Slot = strings.Clone(c.Counter), strings.Clone(c.Slot)
	}
	return charges
}

// holdAll holds for several at once. What the database refuses to all of them is
// tried for each alone.
func (s *Store) holdAll(jobs []*holdJob) {
	err := s.holdTogether(jobs)
	if err != nil && len(jobs) > 1 && refusedByDatabase(err) && s.usable(s.base) == nil {
		for _, j := range jobs {
			s.held1(j, s.holdTogether([]*holdJob{j}))
		}
		return
	}
	for _, j := range jobs {
		s.held1(j, err)
	}
}

// held1 answers a hold. What nobody waits for any more is given back.
func (s *Store) held1(j *holdJob, err error) {
	if heard := s.holds.finish(j, err); heard || err != nil || j.refusal != nil {
		return
	}
	id := j.id
	s.tasks.Go(func() {
		ctx, cancel := s.step()
		defer cancel()
		if err := s.Release(ctx, id); err != nil {
			s.options.Logger.Error("a hold counts that nobody waited for", "hold", uint64(id), "error", err)
		}
	})
}

func (s *Store) holdTogether(jobs []*holdJob) (err error) {
	ctx, cancel := s.step()
	defer cancel()
	by := <-s.witnesses.holding // there is one for each who makes them
	defer func() { s.witnesses.holding <- by }()
	for range maxTries {
		var done bool
		done, err = s.tryHold(ctx, jobs, by)
		if done || err != nil && !hasCode(err, codeSerialization, codeDeadlock) {
			return err
		}
	}
	if err == nil {
		err = errors.New("more charges have expired than can be taken off at a time: try again")
	}
	return err
}

// tryHold is one transaction. Done false, without an error, asks for another.
func (s *Store) tryHold(ctx context.Context, jobs []*holdJob, by *witness) (done bool, err error) {
	is, err := s.appear(ctx, by)
	if err != nil {
		return false, err
	}
	var of []int32
	var counters, slots [][]byte
	var amounts, caps []string
	var windows []int64
	var all []*rules.Charge
	for i, j := range jobs {
		for k := range j.charges {
			c := &j.charges[k]
			all = append(all, c)
			of = append(of, int32(i))
			counters, slots = append(counters, []byte(c.Counter)), append(slots, []byte(c.Slot))
			amounts, caps = append(amounts, c.Amount.Dec()), append(caps, c.Cap.Dec())
			windows = append(windows, int64(c.Window))
		}
	}
	var answered int
	var last int64
	var count *int64
	err = s.durably(ctx, func(q queryer) error {
		rows, err := q.Query(ctx, counting(7)+`SELECT item, id, place, used::text, more::text, full_slot, `+counted+`
			FROM hold($1, $2, $3, $4::text[]::numeric[], $5::text[]::numeric[], $6, $7)`,
			of, counters, slots, amounts, caps, windows, s.now(), is.session, s.options.Replica, is.count)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var item int32
			var id, place int64
			var used, more string
			var full bool
			if err := rows.Scan(&item, &id, &place, &used, &more, &full, &count); err != nil {
				return err
			}
			if item < 0 || int(item) >= len(jobs) || place < 0 || int(place) > len(all) || (id == 0) == (place == 0) {
				return fmt.Errorf("the database answers with hold %d of item %d at %d", id, item, place)
			}
			j := jobs[item]
			answered++
			j.id, j.refusal = rules.HoldID(id), nil
			if place > 0 {
				if j.refusal, err = refusal(all[place-1], used, more, full); err != nil {
					return err
				}
			}
			last = max(last, id)
		}
		return rows.Err()
	})
	if err == nil && last > 0 { // a refusal is not durable, nor what was counted with it
		saw(&s.lastHold, last)
		err = s.attested(by, is, count)
	}
	if err == nil && answered != 0 && answered != len(jobs) {
		err = fmt.Errorf("%d holds were answered of %d", answered, len(jobs))
	}
	return answered > 0, err
}

func refusal(c *rules.Charge, used, more string, full bool) (error, error) {
	if full {
		return &rules.SlotError{Charge: *c}, nil
	}
	usedAmount, err := amount(used)
	raise, raiseErr := amount(more)
	return &rules.OverLimitError{Charge: *c, Used: usedAmount, Raise: raise}, errors.Join(err, raiseErr)
}

// amount reads a number of the database.
func amount(text string) (uint256.Int, error) {
	n, err := uint256.FromDecimal(text)
	if err != nil {
		return uint256.Int{}, fmt.Errorf("the database answers with the amount %.100q: %w", text, err)
	}
	return *n, nil
}

// now is the time of the clock in the place of the database's, nil if there is
// none.
func (s *Store) now() *int64 {
	if s.options.Clock == nil {
		return nil
	}
	now := s.options.Clock().UnixNano()
	return &now
}

// Commit says that what a hold was for was done. It does not wait for the disk: a
// hold that is not settled counts the same. The error is [ErrNoHold] for one that
// was settled before.
func (s *Store) Commit(ctx context.Context, id rules.HoldID) error {
	return s.settle(ctx, "SELECT settle($1)", "committing", id)
}

// Release gives a hold back, durably. After an error it may be tried again, unless
// the error is [ErrNoHold]. If ctx ends first, it may have been given back or not.
func (s *Store) Release(ctx context.Context, id rules.HoldID) error {
	return s.settle(ctx, "SELECT release($1)", "releasing", id)
}

func (s *Store) settle(ctx context.Context, statement, what string, id rules.HoldID) error {
	ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	found := false
	for range maxTries {
		if id == 0 || id > math.MaxInt64 {
			break
		}
		err = s.durably(ctx, func(q queryer) error { return q.QueryRow(ctx, statement, int64(id)).Scan(&found) })
		if !hasCode(err, codeSerialization, codeDeadlock) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s hold %d: %w", what, id, err)
	}
	if !found {
		return fmt.Errorf("hold %d: %w", id, ErrNoHold)
	}
	return nil
}
