package bolt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const (
	// every is how often the place in the audit log is noted that the file has everything
	// up to, where nothing else is written: a start after a crash reads on from there.
	every = 10 * time.Second

	retry = time.Second // after a write that failed
)

// relied is the audit log that reservations are written down in.
type relied struct {
	log  string // absolute path
	head func() (seq uint64, hash string)

	seq atomic.Uint64 // noted in the file
}

// Unsettled returns how far an audit log had come for certain when the file was
// written last, by a process that did not close it in good order: what was reserved
// and the file may not have is in the entries after that. It is zero if the file has
// all.
func (s *Store) Unsettled() LogHead { return s.unsettled }

// Rely has the store rely on an audit log from here on: what [Store.Reserve] returns
// is in it, and durable, before anything comes of it. Log is its absolute path; head
// tells its last durable entry. What [Store.Unsettled] tells must have been given to
// [Store.Recover] before.
func (s *Store) Rely(ctx context.Context, log string, head func() (seq uint64, hash string)) error {
	if s.unsettled != (LogHead{}) && !s.recovered.Load() {
		return errors.New("what was reserved before the store was closed is not recovered")
	}
	if !utf8.ValidString(log) || log == "" {
		return fmt.Errorf("the path of the audit log, %q, can't be remembered: name another", log)
	}
	r := &relied{log: log, head: head}
	if err := s.writer.do(ctx, func(t *tables) error { return r.note(t) }); err != nil {
		return fmt.Errorf("relying on the audit log: %w", err)
	}
	s.writer.relied.Store(r)
	s.writer.noteEvery(r)
	return nil
}

// Forget gives up what was reserved and is in audit logs alone since a place in one, which
// are lost. The file remembers that until [Store.Told].
func (s *Store) Forget(ctx context.Context, from LogHead) error {
	record, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("encoding the place in the audit log: %w", err)
	}
	return s.complete(ctx, func(t *tables) error {
		if s.forgotten != (LogHead{}) { // longer ago, and nobody was told
			return nil
		}
		return t.put(bucketMeta, []byte(keyForgotten), record)
	})
}

// Forgotten returns from where on what an audit log had was given up, if no other tells
// of it yet, and else zero. What is given up after the store was opened is not in it.
func (s *Store) Forgotten() LogHead { return s.forgotten }

// Told says that an audit log tells what [Store.Forgotten] returned.
func (s *Store) Told(ctx context.Context) error {
	if err := s.writer.do(ctx, func(t *tables) error { return t.remove(bucketMeta, []byte(keyForgotten)) }); err != nil {
		return fmt.Errorf("noting that the audit log tells what was forgotten: %w", err)
	}
	return nil
}

// complete makes a change, and says that the file has all that was reserved.
func (s *Store) complete(ctx context.Context, also func(*tables) error) error {
	if err := s.writer.do(ctx, func(t *tables) error { return errors.Join(also(t), forget(t)) }); err != nil {
		return fmt.Errorf("noting that the audit log has no more: %w", err)
	}
	s.recovered.Store(true)
	return nil
}

// noteEvery notes now and then how far the log has come, if it has.
func (w *writer) noteEvery(r *relied) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.noting = time.AfterFunc(every, func() {
		c := &change{apply: func(t *tables) error { return w.note(t) }, settle: func(error) {}, lazy: true}
		if seq, _ := r.head(); seq != r.seq.Load() && w.add(c, false) != nil {
			return // it is closed, or broken
		}
		w.noteEvery(r)
	})
}

func (w *writer) relies() bool { return w.relied.Load() != nil }

// note remembers how far the log has come, before a transaction is made durable. What
// was reserved for the entries up to that is in it: it was counted before they were
// written.
func (w *writer) note(t *tables) error {
	if r := w.relied.Load(); r != nil {
		return r.note(t)
	}
	return nil
}

func (r *relied) note(t *tables) error {
	seq, hash := r.head()
	if seq == r.seq.Load() && seq > 0 {
		return nil
	}
	head := LogHead{Log: r.log, Seq: seq, Hash: hash, Time: time.Now().UTC().Truncate(time.Second)}
	record, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encoding the place in the audit log: %w", err)
	}
	if err := t.put(bucketMeta, []byte(keyRelied), record); err != nil {
		return err
	}
	r.seq.Store(seq)
	return nil
}

// mayWait tells whether all changes of a batch can be settled before the transaction
// is durable. After a failure nothing can, until one has succeeded: a disk that is
// full promises nothing.
func (w *writer) mayWait(batch []*change) bool {
	if !w.relies() || w.failed || w.waiting+len(batch) > maxBatch {
		return false
	}
	for _, c := range batch {
		if !c.lazy && !c.reserves {
			return false
		}
	}
	return true
}

// promise leaves the transaction as it is, for a while.
func (w *writer) promise(batch []*change) {
	w.waiting += len(batch)
	w.behind.Store(true)
	for _, c := range batch {
		if c.reserved != nil {
			w.promised = append(w.promised, c.reserved)
		}
	}
	w.remind(patience)
}

// remind has the transaction that goes on made durable after a while.
func (w *writer) remind(after time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil && !w.closed {
		w.timer = time.AfterFunc(after, w.tick)
	}
}

// catchUp makes durable what has waited.
func (w *writer) catchUp() {
	if w.open == nil && len(w.promised) == 0 {
		return
	}
	again := w.failed
	switch err := w.alone(nil); {
	case err == nil:
	case w.health() != nil:
		w.rollBack()
	default:
		if !again { // or it was told
			w.logger.Error("writing the store failed: what it lacks is in the audit log", "error", err, "holds", len(w.promised))
		}
		w.remind(retry)
	}
}

// alone makes changes durable that nobody waits for, but readers.
func (w *writer) alone(batch []*change) error {
	w.mu.Lock()
	w.batches.begun++
	w.mu.Unlock()
	defer w.ended()
	return w.write(batch, true)
}

// end makes durable what has waited, and that the file has all: nobody has to look
// into the audit log for more.
func (w *writer) end() {
	w.catchUp()
	if w.relies() && len(w.promised) == 0 && w.health() == nil {
		w.relied.Store(nil) // or the transaction would note it again
		if err := w.alone([]*change{{apply: forget}}); err != nil {
			w.logger.Error("the store was not closed in good order: the next start looks into the audit log", "error", err)
		}
	}
	w.rollBack() // of a store that is broken
}

// forget says that the file has all.
func forget(t *tables) error { return t.remove(bucketMeta, []byte(keyRelied)) }

// settled waits until the file has all that is held.
func (s *Store) settled(ctx context.Context) error {
	if !s.writer.behind.Load() {
		return nil
	}
	return s.writer.do(ctx, func(*tables) error { return nil })
}

func decodeRelied(record []byte) (head LogHead, err error) {
	if len(record) > maxLogHeadRecord {
		return head, fmt.Errorf("%w: the place in the audit log has %d bytes", errRecord, len(record))
	}
	if err := json.Unmarshal(record, &head); err != nil {
		return head, fmt.Errorf("%w: the place in the audit log: %w", errRecord, err)
	}
	if head.Log == "" {
		return head, fmt.Errorf("%w: the place in the audit log is in none", errRecord)
	}
	return head, nil
}
