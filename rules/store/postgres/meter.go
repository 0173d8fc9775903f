package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// maxRoom is how many charges of a counter are looked at to say when there is
// room.
const maxRoom = 1 << 8

// Usage tells what counts against a counter.
func (s *Store) Usage(ctx context.Context, counter string) (usage rules.Usage, err error) {
	counters, _, err := s.totals(ctx, []byte(counter))
	if err != nil {
		return rules.Usage{}, fmt.Errorf("reading the counter %q: %w", counter, err)
	}
	for _, c := range counters {
		usage = rules.Usage{Used: c.Used, Held: c.Held, Next: c.Next}
	}
	return usage, nil
}

// Totals tells what counts against every counter, by name, and how many holds are not
// settled. It takes no time that grows with what they count.
func (s *Store) Totals(ctx context.Context) (counters []store.Counter, holds int, err error) {
	if counters, holds, err = s.totals(ctx, nil); err != nil {
		return nil, 0, fmt.Errorf("reading the counters: %w", err)
	}
	return counters, holds, nil
}

// totals reads one counter, or all.
func (s *Store) totals(ctx context.Context, one []byte) (counters []store.Counter, holds int, err error) {
	err = s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var now int64
		err := tx.QueryRow(ctx, `SELECT greatest(now_or($1), c.latest), (SELECT count(*) FROM holds h WHERE h.expires > greatest(now_or($1), c.latest)) FROM clock c`, s.now()).
			Scan(&now, &holds)
		if err != nil {
			return fmt.Errorf("reading the clock: %w", err)
		}
		open, err := openCharges(ctx, tx, one, now)
		if err != nil {
			return err
		}
		counters, err = keptCounters(ctx, tx, one, now, open)
		return err
	})
	return counters, holds, err
}

// openCharges reads the charges, by counter, that have expired or whose hold is not
// settled, and all that share a slot with one of these.
func openCharges(ctx context.Context, tx pgx.Tx, one []byte, now int64) (map[int64][]rules.Live, error) {
	// Each part is looked up by what came before it: the planner can't know that few
	// charges have expired, and would read all of them.
	rows, err := tx.Query(ctx, `WITH k AS MATERIALIZED (SELECT k.id, greatest(k.latest, $2) AS at FROM counters k WHERE $1::bytea IS NULL OR k.name = $1),
		touched AS MATERIALIZED (
			SELECT c.* FROM k CROSS JOIN LATERAL (SELECT c.* FROM charges c WHERE c.counter = k.id AND c.expires <= k.at OFFSET 0) c
			UNION SELECT c.* FROM holds h CROSS JOIN LATERAL (SELECT c.* FROM charges c WHERE c.hold = h.id OFFSET 0) c
				WHERE c.counter IN (SELECT k.id FROM k))
		SELECT e.counter, e.slot, e.amount::text, e.expires, h.id IS NOT NULL FROM (
			SELECT t.* FROM touched t WHERE t.slot = ''
			UNION ALL SELECT c.* FROM (SELECT DISTINCT t.counter, t.slot FROM touched t WHERE t.slot <> '') t
				CROSS JOIN LATERAL (SELECT c.* FROM charges c WHERE c.counter = t.counter AND c.slot = t.slot AND c.slot <> '' OFFSET 0) c) e
		LEFT JOIN LATERAL (SELECT h.id FROM holds h WHERE h.id = e.hold OFFSET 0) h ON true`, one, now)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	open := make(map[int64][]rules.Live)
	for rows.Next() {
		var counter int64
		var slot []byte
		var text string
		var live rules.Live
		if err := rows.Scan(&counter, &slot, &text, &live.Expires, &live.Open); err != nil {
			return nil, err
		}
		live.Slot = string(slot)
		if live.Amount, err = amount(text); err != nil {
			return nil, err
		}
		open[counter] = append(open[counter], live)
	}
	return open, rows.Err()
}

// keptCounters reads what is kept of counters, by name, and leaves out those against
// which nothing counts.
func keptCounters(ctx context.Context, tx pgx.Tx, one []byte, now int64, open map[int64][]rules.Live) (counters []store.Counter, err error) {
	rows, err := tx.Query(ctx, `SELECT k.id, k.name, k.total::text, k.charges, greatest(k.latest, $2),
			(SELECT min(c.expires) FROM charges c WHERE c.counter = k.id AND c.expires > greatest(k.latest, $2))
		FROM counters k WHERE k.charges > 0 AND ($1::bytea IS NULL OR k.name = $1) ORDER BY k.name`, one, now)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, at int64
		var name []byte
		var text string
		var next *int64
		var kept store.Kept
		if err := rows.Scan(&id, &name, &text, &kept.Charges, &at, &next); err != nil {
			return nil, err
		}
		if kept.Total, err = amount(text); err != nil {
			return nil, err
		}
		kept.Name, kept.Open = string(name), open[id]
		c := kept.At(at)
		if c.Charges == 0 {
			continue
		}
		if next != nil {
			c.Next = time.Unix(0, *next).UTC()
		}
		counters = append(counters, c)
	}
	return counters, rows.Err()
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
