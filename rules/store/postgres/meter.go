package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
)

// maxRoom is how many charges of a counter are looked at to say when there is
// room.
const maxRoom = 1 << 8

// Usage tells what counts against a counter.
func (s *Store) Usage(ctx context.Context, counter string) (usage rules.Usage, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var now int64
		err := tx.QueryRow(ctx, `SELECT greatest(now_or($1), c.latest, (SELECT k.latest FROM counters k WHERE k.name = $2)) FROM clock c`,
			s.now(), []byte(counter)).Scan(&now)
		if err != nil {
			return fmt.Errorf("reading the clock: %w", err)
		}
		live, err := liveOf(ctx, tx, `SELECT c.slot, c.amount::text, c.expires, h.id IS NOT NULL FROM charges c LEFT JOIN holds h ON h.id = c.hold
			WHERE c.counter = (SELECT k.id FROM counters k WHERE k.name = $1) AND c.expires > $2`, []byte(counter), now)
		usage = rules.Tally(live, now)
		return err
	})
	if err != nil {
		return rules.Usage{}, fmt.Errorf("reading the counter %q: %w", counter, err)
	}
	return usage, nil
}

func liveOf(ctx context.Context, tx pgx.Tx, statement string, args ...any) ([]rules.Live, error) {
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (live rules.Live, err error) {
		var slot []byte
		var text string
		if err := row.Scan(&slot, &text, &live.Expires, &live.Open); err != nil {
			return live, err
		}
		live.Slot = string(slot)
		live.Amount, err = amount(text)
		return live, err
	})
}

// findRoom says when there is room for a charge that was refused, if that is
// among what expires next. What can't be read is not told: it is not worth an
// error.
func (s *Store) findRoom(ctx context.Context, over *rules.OverLimitError) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout/4)
	defer cancel()
	_ = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		next, err := liveOf(ctx, tx, `SELECT c.slot, c.amount::text, c.expires, false FROM charges c
			WHERE c.counter = (SELECT k.id FROM counters k WHERE k.name = $1) ORDER BY c.expires LIMIT $2`, []byte(over.Charge.Counter), maxRoom)
		if err != nil {
			return err
		}
		names := [][]byte{}
		for _, slot := range append([]string{over.Charge.Slot}, slotsOf(next)...) {
			if slot != "" {
				names = append(names, []byte(slot))
			}
		}
		live, err := liveOf(ctx, tx, `SELECT c.slot, c.amount::text, c.expires, false FROM charges c
			WHERE c.counter = (SELECT k.id FROM counters k WHERE k.name = $1) AND c.slot = ANY ($2) AND c.slot <> ''`, []byte(over.Charge.Counter), names)
		if err != nil {
			return err
		}
		slots := make(map[string][]rules.Live)
		for _, one := range live {
			slots[one.Slot] = append(slots[one.Slot], one)
		}
		over.RoomAfter(slices.Values(next), func(slot string) []rules.Live { return slots[slot] })
		return nil
	})
}

func slotsOf(live []rules.Live) []string {
	names := make([]string, 0, len(live))
	for i := range live {
		names = append(names, live[i].Slot)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
