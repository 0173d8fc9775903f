package clefjs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// retryAfter is what a caller is told to wait when the storage is busy.
const retryAfter = time.Second

// BusyError is a call whose turn, at the storage or to run at all, did not come
// in time.
type BusyError struct {
	For  string        // what it waited for
	Wait time.Duration // how long it waited
	Err  error
}

// Error says how long the call waited, and for what.
func (e *BusyError) Error() string {
	return fmt.Sprintf("waiting %s for %s: %v", e.Wait, e.For, e.Err)
}

// Unwrap returns what ended the wait.
func (e *BusyError) Unwrap() error { return e.Err }

// RetryAfter is when the caller may come back.
func (e *BusyError) RetryAfter() time.Duration { return retryAfter }

// Public is the text for the caller.
func (e *BusyError) Public() string { return "busy" }

// errNoStorage is for files that use a storage that is not there.
var errNoStorage = errors.New("no storage is configured")

// session is a call's use of the storage. Its transaction opens when it is
// first needed.
type session struct {
	open func() (rules.StorageTx, error)
	mu   sync.Mutex
	wait func()          // is told before the transaction opens; nil: nobody is
	tx   rules.StorageTx // nil: not open
	err  error           // the first failure; nothing is committed after one
	over bool            // committed or rolled back
}

// session returns a session whose transaction opens, if it does, under ctx.
func (r *Ruleset) session(ctx context.Context) *session {
	return &session{open: func() (rules.StorageTx, error) {
		if r.options.Storage == nil {
			return nil, errNoStorage
		}
		wait, cancel := context.WithTimeout(ctx, r.options.WaitTimeout)
		defer cancel()
		started := time.Now()
		tx, err := r.options.Storage.Begin(wait)
		switch {
		case err == nil:
			return tx, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("opening the rule file's storage: %w", ctx.Err())
		case wait.Err() != nil:
			return nil, &BusyError{For: "the turn at the rule file's storage", Wait: time.Since(started).Round(time.Millisecond), Err: err}
		default:
			return nil, fmt.Errorf("%w: opening the rule file's storage: %w", rules.ErrNoState, err)
		}
	}}
}

// begin opens the transaction unless it is open.
func (s *session) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beginLocked()
}

func (s *session) beginLocked() error {
	switch {
	case s.err != nil:
		return s.err
	case s.over:
		return errors.New("the call's turn at the storage is over")
	case s.tx != nil:
		return nil
	}
	if s.wait != nil {
		s.wait()
	}
	s.tx, s.err = s.open()
	return s.err
}

// waiting sets who is told before the session waits for the storage.
func (s *session) waiting(tell func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait = tell
}

// get reads a value; "" if there is none.
func (s *session) get(key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.beginLocked(); err != nil {
		return "", err
	}
	value, err := s.tx.Get(key)
	if err != nil {
		s.err = fmt.Errorf("reading the rule file's storage: %w", err)
	}
	return value, s.err
}

// put sets a value; "" deletes it.
func (s *session) put(key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.beginLocked(); err != nil {
		return err
	}
	if err := s.tx.Put(key, value); err != nil {
		s.err = fmt.Errorf("writing the rule file's storage: %w", err)
	}
	return s.err
}

// failure returns the first error of the storage, whether or not the script
// caught it.
func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// used tells whether the transaction is open.
func (s *session) used() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tx != nil && !s.over
}

// flush makes durable what was put; the transaction stays open unless that
// fails.
func (s *session) flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	if err == nil {
		err = s.tx.Flush(ctx)
	}
	if err != nil {
		s.over = true
		s.tx.Rollback()
	}
	return err
}

// commit makes durable what was put, and ends the session.
func (s *session) commit(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.tx == nil {
		return errors.New("the call's turn at the storage is over")
	}
	s.over = true
	if s.err != nil {
		s.tx.Rollback()
		return s.err
	}
	return s.tx.Commit(ctx)
}

// rollback forgets what was put, and ends the session.
func (s *session) rollback() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx != nil && !s.over {
		s.tx.Rollback()
	}
	s.over = true
}
