package bolt

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	bbolt "go.etcd.io/bbolt"

	"github.com/kvclef/kvclef/rules"
)

const (
	maxBatch = 1024 // changes to a transaction
	maxQueue = 4096 // holds that wait for one

	patience = 100 * time.Millisecond // of changes that are in no hurry
)

// Whose a change is.
const (
	queued int32 = iota
	taken
	withdrawn
)

// change is a part of a transaction.
type change struct {
	// apply makes it. An error fails the whole transaction.
	apply func(t *tables) error

	// settle is told by the writer when the transaction is durable, or has failed.
	settle func(err error)

	lazy  bool // in no hurry: it goes with the next that is
	dated bool // the time matters: charges that have expired are taken off first
	owner atomic.Int32

	// reserves says that it may be settled before the transaction is durable. Apply
	// leaves in reserved what is then to be made again if that fails, nil if nothing.
	reserves bool
	reserved *rules.Reservation
}

// writer makes all changes, those that wait in one transaction: they share its
// flush.
type writer struct {
	db       *bbolt.DB
	identity identity
	logger   *slog.Logger
	clock    func() time.Time
	hook     func(point string)
	lapsed   func([]rules.HoldID) // is told of holds whose windows have passed

	kept, most size // of records; of the goroutine

	mu     sync.Mutex
	queue  []*change
	urgent int  // changes in the queue that are not lazy
	due    bool // the lazy ones have waited long enough
	timer  *time.Timer
	noting *time.Timer
	closed bool
	broken error

	batches batches

	late bool // the clock is behind; of the goroutine

	behind   atomic.Bool            // the file is, behind what is held
	relied   atomic.Pointer[relied] // the audit log that reservations rest on; nil: there are none
	open     *tables                // of the goroutine: a transaction that goes on; nil: none
	number   int                    // of the goroutine: its number, which bbolt forgets when it ends
	waiting  int                    // of the goroutine: changes in it
	promised []*rules.Reservation   // of the goroutine: settled, and not in the file yet
	failed   bool                   // of the goroutine: the last transaction

	wake chan struct{}
	done chan struct{}
}

// add puts a change in the queue. Bounded is for changes that nothing else
// bounds.
func (w *writer) add(c *change, bounded bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return ErrClosed
	case w.broken != nil:
		return w.broken
	case bounded && len(w.queue) >= maxQueue:
		return &BusyError{Queue: "the store"}
	}
	w.push(c)
	return nil
}

// push puts a change in the queue, with the lock.
func (w *writer) push(c *change) {
	w.queue = append(w.queue, c)
	switch {
	case !c.lazy:
		w.urgent++
		w.signal()
	case w.timer == nil:
		w.timer = time.AfterFunc(patience, w.tick)
	}
}

// tick has written what can wait.
func (w *writer) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer, w.due = nil, true
	w.signal()
}

// again puts a change in the queue from the writer's own goroutine, also when
// the store is closing.
func (w *writer) again(c *change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.push(c)
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// do makes a change and waits for it. When ctx ends while it is being written,
// the error says so and the change may stand.
func (w *writer) do(ctx context.Context, apply func(t *tables) error) error {
	return w.perform(ctx, &change{apply: apply})
}

// perform makes a change and waits for it, as do does.
func (w *writer) perform(ctx context.Context, c *change) error {
	done := make(chan error, 1)
	c.settle = func(err error) { done <- err }
	if err := w.add(c, false); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if c.owner.CompareAndSwap(queued, withdrawn) {
			return context.Cause(ctx)
		}
		return fmt.Errorf("waiting for a write, which may stand: %w", context.Cause(ctx))
	}
}

// run is the writer's goroutine. It ends when the store is closed and the
// queue is empty.
func (w *writer) run() {
	defer close(w.done)
	for {
		// Under load others are about to come, and those who were just answered come
		// back at once. Letting them go first makes transactions fewer and larger,
		// and costs nothing else.
		runtime.Gosched()
		batch, due, closed := w.next()
		switch {
		case len(batch) > 0:
			w.flush(batch, due || closed)
		case closed:
			w.end()
			return
		case due:
			w.catchUp()
		default:
			<-w.wake
		}
	}
}

// next takes changes from the queue, if any of them is in a hurry or they have
// waited long enough, which due tells. Closed is told with the last.
func (w *writer) next() (batch []*change, due, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(batch) == 0 && len(w.queue) > 0 && (w.urgent > 0 || w.due || w.closed) {
		n := min(len(w.queue), maxBatch)
		for _, c := range w.queue[:n] {
			if !c.lazy {
				w.urgent--
			}
			if c.owner.CompareAndSwap(queued, taken) {
				batch = append(batch, c)
			}
		}
		w.queue = w.queue[n:]
	}
	if len(batch) > 0 {
		w.batches.begun++
	}
	due = w.due
	if len(w.queue) == 0 {
		w.queue, w.due = nil, false
	}
	return batch, due, w.closed && len(w.queue) == 0
}

// flush makes the changes, and tells them when they are durable, or are reserved
// only and can wait. Hurry is when nothing can.
func (w *writer) flush(batch []*change, hurry bool) {
	err := w.write(batch, hurry)
	w.ended()
	if err != nil {
		w.logger.Error("writing the store failed", "error", err, "changes", len(batch))
		if len(w.promised) > 0 {
			w.remind(retry)
		}
	}
	for _, c := range batch {
		c.settle(err)
	}
}

// write makes a batch in one transaction, but for charges that expired in great
// number, which are taken off in some before it.
func (w *writer) write(batch []*change, hurry bool) error {
	for {
		if err := w.health(); err != nil {
			return err
		}
		more, err := w.transaction(batch, hurry)
		if err != nil {
			return fmt.Errorf("writing the store: %w", err)
		}
		if !more {
			return nil
		}
	}
}

// date sets the time of the transaction: the clock's, but never before one that
// was seen, so that a clock that is set back forgets nothing.
func (w *writer) date(t *tables) error {
	now := w.clock()
	if year := now.UTC().Year(); year < 2000 || year > 2200 {
		return fmt.Errorf("the clock shows %v: set it right", now.UTC().Format(time.RFC3339))
	}
	t.now = max(now.UnixNano(), t.state.now)
	behind := time.Duration(t.now - now.UnixNano())
	if late := behind > time.Minute; late != w.late {
		w.late = late
		w.logger.Warn("the clock is or was behind a time that was seen; what was spent counts until it has caught up",
			"is_behind", late, "by", behind, "seen", time.Unix(0, t.now).UTC())
	}
	return nil
}

// health is the error of a store that is broken.
func (w *writer) health() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// stop ends the goroutine when all changes are written.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	for _, timer := range []*time.Timer{w.timer, w.noting} {
		if timer != nil {
			timer.Stop()
		}
	}
	w.signal()
	w.mu.Unlock()
	<-w.done
}

func (w *writer) at(point string) {
	if w.hook != nil {
		w.hook(point)
	}
}
