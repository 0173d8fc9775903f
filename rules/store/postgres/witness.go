package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// remembered is for how long a process that can't reach the database knows that its rows
// must be there: a day less than others leave them.
const remembered = 6 * 24 * time.Hour

// witness is a row of sessions that this process alone writes, with each thing that it
// makes of one kind, one at a time. A database that has not what the row was when that
// was last told to be durable has lost what was made with it, and is not relied on.
//
// The sequence of holds can't tell: it is written ahead, so that a standby that misses
// holds may know a greater number than theirs. Nor can marks, which others raise again.
type witness struct {
	mu sync.Mutex
	stand
	seen time.Time // when the row was there last, by this process's clock
}

// stand is what a witness has seen. The zero value is nothing.
type stand struct {
	session int32 // the row
	count   int64 // of what was made
}

// witnessed are the witnesses of a process: two holds are made at a time.
type witnessed struct {
	all               [4]witness
	changing, storing *witness
	holding           chan *witness
}

func (w *witnessed) init() {
	w.changing, w.storing = &w.all[2], &w.all[3]
	w.holding = make(chan *witness, holders)
	w.holding <- &w.all[0]
	w.holding <- &w.all[1]
}

// stands are what all have seen, and their rows.
func (w *witnessed) stands() (stands [4]stand, rows []int32) {
	for i := range w.all {
		stands[i] = w.all[i].now()
		rows = append(rows, stands[i].session)
	}
	return stands, rows
}

func (w *witness) now() stand {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stand
}

// saw remembers what is durable.
func (w *witness) saw(is stand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stand, w.seen = is, time.Now().Round(0) // not by what stops while the machine sleeps
}

// old tells whether others may have taken the row off.
func (w *witness) old() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Round(0).Sub(w.seen) >= remembered
}

// countOn goes before a statement that makes something, and takes three arguments, of
// which the first has the number %d. It goes on with the row if that is what was seen.
const countOn = `WITH counted AS (UPDATE sessions SET generation = generation + 1, seen = now()
	WHERE id = $%d AND replica = $%d AND generation >= $%d RETURNING generation) `

// counted is what became of the row, null if it was not what was seen. It is asked for
// when all else is done: the row is locked for as long as the commit takes.
const counted = "(SELECT generation FROM counted)"

// counting is the beginning of a statement whose arguments before are so many.
func counting(before int) string { return fmt.Sprintf(countOn, before+1, before+2, before+3) }

// appear returns what a witness has seen, and makes a row of it if there is none.
func (s *Store) appear(ctx context.Context, w *witness) (stand, error) {
	if is := w.now(); is.session != 0 {
		return is, nil
	}
	var is stand
	err := s.durably(ctx, func(q queryer) error {
		return q.QueryRow(ctx, "INSERT INTO sessions (replica) VALUES ($1) RETURNING id, generation", s.options.Replica).Scan(&is.session, &is.count)
	})
	if err != nil {
		return stand{}, err
	}
	w.saw(is)
	return is, nil
}

// attested takes what became of the row of a witness with something that is durable.
func (s *Store) attested(w *witness, is stand, count *int64) error {
	switch {
	case count != nil:
		w.saw(stand{session: is.session, count: *count})
		return nil
	case w.old(): // it begins another next time
		w.saw(stand{})
		return nil
	}
	return s.lacks(is)
}

// compare refuses a database that lacks what a witness has seen: counts are those of the
// rows, -1 where there is none.
func (s *Store) compare(stands [4]stand, counts []int64) error {
	for i, is := range stands {
		if is.session == 0 || i < len(counts) && counts[i] >= is.count || s.witnesses.all[i].old() {
			continue
		}
		return s.lacks(is)
	}
	return nil
}

func (s *Store) lacks(is stand) error {
	return s.behind("it lacks what this replica made last of what it was told is durable (row %d of sessions, at %d), as after a failover to a standby that did not have it", is.session, is.count)
}

// there remembers that the row is there, if it still is the witness's.
func (w *witness) there(session int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session == session {
		w.seen = time.Now().Round(0)
	}
}
