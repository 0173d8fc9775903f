package postgres

import (
	"context"
	"time"
)

// WithRecordBounds bounds the records.
func (o Options) WithRecordBounds(records, bytes int) Options {
	o.most = size{keys: int64(records), bytes: int64(bytes)}
	return o
}

// SweepOnce is what the store does now and then.
func (s *Store) SweepOnce() error { return s.sweepOnce() }

// Doubted tells whether the fate of a change was ever unknown.
func (s *Store) Doubted() bool {
	current, doubtful := s.fence.standing()
	return doubtful || current.generation > 0
}

// Schema is where the store is.
func (s *Store) Schema() string { return s.options.Schema }

// Setting is what a connection has.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.work.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value)
	return value, err
}

// Count counts rows.
func (s *Store) Count(ctx context.Context, of string) (n int, err error) {
	err = s.work.QueryRow(ctx, "SELECT count(*) FROM "+of).Scan(&n)
	return n, err
}

// WarningsOf are those of a DSN.
func WarningsOf(dsn string) ([]string, error) {
	config, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	return warnings(config), nil
}

// Harmless tells whether a warning of a routine of the server says nothing of a commit.
func Harmless(routine string) bool { return harmless(routine) }

// Away is as if the process had not reached the database for so long.
func (s *Store) Away(d time.Duration) {
	for i := range s.witnesses.all {
		w := &s.witnesses.all[i]
		w.mu.Lock()
		w.seen = w.seen.Add(-d)
		w.mu.Unlock()
	}
}

// Version is the schema's.
const Version = version
