package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// Log is an open log, the only one of its file. Its methods may be called at
// the same time.
type Log struct {
	path    string // absolute
	options Options
	lock    *os.File
	folder  *os.File      // of path; nil on Windows
	done    chan struct{} // closed when the writer has ended

	mu     sync.Mutex
	work   *sync.Cond // there is something for the writer
	queue  []*pending
	queued int // bytes of their bodies
	closed bool
	head   link // the last durable entry

	checkpoint Checkpoint    // found by Open; zero if there is none
	grown      chan struct{} // told when the head reaches watch
	watch      atomic.Uint64

	active  segment // the writer's
	journal journal // the writer's
	broken  error   // the writer's: why nothing more is written

	unrecorded bool   // what was brought in order is in the journal's note alone
	buffer     []byte // the writer's
}

// pending is an entry on its way to the disk.
type pending struct {
	body []byte
	seq  uint64     // set before done is told
	done chan error // takes one
}

// Append writes an entry. It is durable when Append returns nil.
//
// An error means that the entry is not in the log, with two exceptions in which
// it may be: when ctx ends while the writer has the entry, and when the disk
// fails and the log is broken (ErrBroken). Whoever asked refuses in any case. A
// log that a write failed for, on a full disk, takes the next entry again.
func (l *Log) Append(ctx context.Context, e Entry) error {
	_, err := l.append(ctx, e)
	return err
}

// append is Append; it returns the entry's number.
func (l *Log) append(ctx context.Context, e Entry) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("not writing an audit entry: %w", err)
	}
	e.Replica = l.options.Replica
	body, err := encodeBody(e)
	if err != nil {
		return 0, err
	}
	p := &pending{body: body, done: make(chan error, 1)}
	if err := l.enqueue(p); err != nil {
		return 0, err
	}
	select {
	case err := <-p.done:
		return p.seq, err
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for an audit entry to be durable: %w", ctx.Err())
	}
}

// enqueue hands an entry to the writer.
func (l *Log) enqueue(p *pending) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.queued >= maxQueueBytes:
		return ErrBusy
	}
	l.queue = append(l.queue, p)
	l.queued += len(p.body)
	l.work.Signal()
	return nil
}

// Head returns the last durable entry: its number, 0 if there is none, and its
// hash in hexadecimal.
func (l *Log) Head() (seq uint64, hash string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head.seq, l.head.hash
}

// Close writes what waits, and gives the log to whoever opens it next.
func (l *Log) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.work.Signal()
	l.mu.Unlock()
	<-l.done
	if !first {
		return nil
	}
	err := l.finish()
	if err = errors.Join(err, closeFolder(l.folder), release(l.lock)); err != nil {
		return fmt.Errorf("closing the audit log: %w", err)
	}
	return nil
}

// finish closes the segment, in which everything is durable unless the log is broken.
func (l *Log) finish() (err error) {
	settled := l.broken == nil && !l.unrecorded
	if l.active.file != nil {
		if settled {
			err = l.journal.settle(l.active.file)
			settled = err == nil
		}
		err = errors.Join(err, l.journal.flushed(true), release(l.active.file))
	}
	return errors.Join(err, l.journal.close(l.path+journalSuffix, settled))
}
