package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/kvclef/kvclef/rules"
)

// changeJob is a change of records on its way.
type changeJob struct {
	job
	changes []rules.Change
	refusal error
	over    chan struct{} // closed when it has ended
}

// Record returns the value of a key, nil if there is none.
func (s *Store) Record(ctx context.Context, key string) (value []byte, err error) {
	if err := s.settled(ctx); err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	ctx, cancel, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	err = again(ctx, func() error {
		return s.work.QueryRow(ctx, "SELECT value FROM records WHERE key = $1", []byte(key)).Scan(&value)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	return notNil(value), nil
}

// notNil is for a value that is there.
func notNil(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// EachRecord calls a function for the records whose keys have a prefix, in the
// order of their keys, as they were at one time.
func (s *Store) EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error {
	if err := s.settled(ctx); err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	return s.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return each(ctx, tx, do, "SELECT key, value FROM records WHERE key >= $1 AND ($2::bytea IS NULL OR key < $2) ORDER BY key",
			[]byte(prefix), after(prefix))
	})
}

// each calls a function for rows of a key and a value.
func each(ctx context.Context, tx pgx.Tx, do func(key string, value []byte) error, statement string, args ...any) error {
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key, value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return fmt.Errorf("reading records: %w", err)
		}
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("reading records: %w", err)
		}
		if err := do(string(key), value); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	return context.Cause(ctx)
}

// after is the first key after all that have a prefix; nil if there is none.
func after(prefix string) []byte {
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}

// read calls a function with the database as it is at one time. It may take as
// long as ctx allows.
func (s *Store) read(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.base, func() { cancel(ErrClosed) })()
	begin, stop := context.WithTimeout(ctx, s.options.Timeout)
	defer stop()
	var tx pgx.Tx
	err := again(begin, func() (err error) {
		tx, err = s.work.BeginTx(begin, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		return err
	})
	if err != nil {
		return fmt.Errorf("beginning to read: %w", err)
	}
	defer func() {
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), s.options.Timeout)
		defer stop()
		_ = tx.Rollback(end) // of a reading
	}()
	if _, err := tx.Exec(begin, "SET LOCAL statement_timeout = 0"); err != nil {
		return fmt.Errorf("beginning to read: %w", err)
	}
	return do(ctx, tx)
}

// ChangeRecords makes all changes, or none. It shares its transaction with what
// others of this process ask for at the same time. The error is as for
// [rules.Records], or a *[store.BusyError] if too much is waiting, and nothing was
// changed.
func (s *Store) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if err := rules.CheckChanges(changes); err != nil {
		return err
	}
	if err := s.usable(ctx); err != nil {
		return err
	}
	j := &changeJob{over: make(chan struct{})}
	for _, c := range changes {
		j.changes = append(j.changes, rules.Change{Key: c.Key, Old: bytes.Clone(c.Old), New: bytes.Clone(c.New)})
		j.weight += len(c.Key) + len(c.Old) + len(c.New)
	}
	begun, err := s.changes.do(ctx, j)
	if err != nil {
		if begun {
			s.fence.abandon(j.over)
		}
		return fmt.Errorf("changing records: %w", err)
	}
	return j.refusal
}

// changeAll changes for several at once. What the database refuses to all of them
// is tried for each alone.
func (s *Store) changeAll(jobs []*changeJob) {
	err := s.changeTogether(jobs)
	if err != nil && len(jobs) > 1 && refusedByDatabase(err) && s.usable(s.base) == nil {
		for _, j := range jobs {
			s.changed(j, s.changeTogether([]*changeJob{j}))
		}
		return
	}
	for _, j := range jobs {
		s.changed(j, err)
	}
}

// changed answers a change.
func (s *Store) changed(j *changeJob, err error) {
	close(j.over)
	s.changes.finish(j, err)
}

func (s *Store) changeTogether(jobs []*changeJob) error {
	ctx, cancel := s.step()
	defer cancel()
	var err error
	for range maxTries {
		var by standing
		if by, err = s.fence.settle(ctx, s); err != nil {
			return err
		}
		err = s.tryChange(ctx, jobs, by)
		if errors.Is(err, errDoubt) || hasCode(err, codeGeneration) { // or the database has forgotten it, as after a failover
			s.fence.doubt()
		}
		if !hasCode(err, codeSerialization, codeDeadlock, codeGeneration) {
			return err
		}
	}
	return err
}

func (s *Store) tryChange(ctx context.Context, jobs []*changeJob, by standing) error {
	var of []int32
	var keys, olds, news [][]byte
	for i, j := range jobs {
		j.refusal = nil
		for _, c := range j.changes {
			of = append(of, int32(i))
			keys, olds, news = append(keys, []byte(c.Key)), append(olds, c.Old), append(news, c.New)
		}
	}
	is, err := s.appear(ctx, s.witnesses.changing)
	if err != nil {
		return err
	}
	var mark int64
	var count *int64
	err = s.durably(ctx, func(q queryer) error {
		rows, err := q.Query(ctx, counting(9)+"SELECT item, place, records, bytes, "+counted+" FROM change($1, $2, $3, $4, $5, $6, $7, $8, $9)",
			by.session, by.generation, by.lock, of, keys, olds, news, s.options.most.keys, s.options.most.bytes, is.session, s.options.Replica, is.count)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var item int32
			var place, records, size int64
			if err := rows.Scan(&item, &place, &records, &size, &count); err != nil {
				return err
			}
			if item == -1 {
				mark = place
				continue
			}
			if item < 0 || int(item) >= len(jobs) || place < 0 || int(place) > len(keys) {
				return fmt.Errorf("the database answers with item %d at %d", item, place)
			}
			if place > 0 {
				jobs[item].refusal = fmt.Errorf("%w: %q", rules.ErrConflict, keys[place-1])
			} else {
				jobs[item].refusal = fmt.Errorf("%w: it would be %d with %d bytes, of at most %d with %d",
					rules.ErrRecordsFull, records, size, s.options.most.keys, s.options.most.bytes)
			}
		}
		return rows.Err()
	})
	if err == nil && mark > 0 { // something was changed
		saw(&s.lastMark, mark)
		err = s.attested(s.witnesses.changing, is, count)
	}
	return err
}
