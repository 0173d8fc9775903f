package postgres

import "time"

// WithRecordBounds bounds the records.
func (o Options) WithRecordBounds(records, bytes int) Options {
	o.most = size{keys: int64(records), bytes: int64(bytes)}
	return o
}

// SweepOnce is what the store does now and then.
func (s *Store) SweepOnce() error { return s.sweepOnce() }

// Doubted tells whether the fate of a change was ever unknown.
func (s *Store) Doubted() bool {
	s.fence.mu.Lock()
	defer s.fence.mu.Unlock()
	return s.fence.doubtful || s.fence.generation > 0
}

// Settled tells how long a step may take.
func (s *Store) Timeout() time.Duration { return s.options.Timeout }
