package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"
)

// segment is the active one, as its only writer knows it.
type segment struct {
	file  file        // nil between the renaming of one and the creation of the next
	info  fs.FileInfo // which file it is
	first uint64      // its first entry; 0 while it is empty
	size  int64       // all of it is durable, here or in the journal
	extra int64       // what it may have beyond the usual, since it could not be renamed
}

// run writes until the log is closed and nothing waits. What waits together is
// written with one write and made durable with one flush.
func (l *Log) run() {
	defer close(l.done)
	for l.await() {
		// Under load others are about to come, and those who were just answered come
		// back at once. Letting them go first puts more into each flush, and costs
		// nothing else.
		runtime.Gosched()
		batch := l.take()
		head, err := l.commit(batch)
		if err == nil {
			l.mu.Lock()
			first := l.head.seq + 1
			l.head = head
			l.mu.Unlock()
			for i, p := range batch {
				p.seq = first + uint64(i)
			}
		}
		for _, p := range batch {
			p.done <- err
		}
		if watch := l.watch.Load(); watch > 0 && err == nil && head.seq >= watch {
			select {
			case l.grown <- struct{}{}:
			default:
			}
		}
	}
}

// await waits for entries. It returns false when the log is closed and none is left.
func (l *Log) await() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.work.Wait()
	}
	return len(l.queue) > 0
}

// take takes as many entries as one write may hold.
func (l *Log) take() []*pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) {
		if size += lineLength(l.queue[n].body); n > 0 && size > maxBatchBytes {
			break
		}
		n++
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	for _, p := range batch {
		l.queued -= len(p.body)
	}
	return batch
}

// lineLength is the most that a body's line can have.
func lineLength(body []byte) int {
	return len(body) + len(lineStart) + 20 + len(`,"prev":"","time":""`) + hashDigits + len(time.RFC3339Nano) + hashLength + 1
}

// commit makes entries durable and returns the new head.
func (l *Log) commit(batch []*pending) (link, error) {
	if l.broken != nil {
		return link{}, l.broken
	}
	size := int64(0)
	for _, p := range batch {
		size += int64(lineLength(p.body))
	}
	if err := l.prepare(size); err != nil {
		return link{}, err
	}
	head := l.head // only the writer changes it
	l.buffer = l.buffer[:0]
	for _, p := range batch {
		now := l.options.Now().UTC().Truncate(time.Microsecond)
		if now.Year() < 1 || now.Year() > 9999 {
			return link{}, fmt.Errorf("writing to the audit log: the clock says %v", now)
		}
		l.buffer, head = appendLine(l.buffer, head, now, p.body)
	}
	l.options.Hook(PointWrite)
	if _, err := l.active.file.WriteAt(l.buffer, l.active.size); err != nil {
		return link{}, l.cutBack(fmt.Errorf("writing to the audit log: %w", err))
	}
	if err := l.journal.write(l.buffer, l.active.file); err != nil {
		return link{}, l.breakUp(l.cutBack(fmt.Errorf("writing to the audit log's journal: %w", err)))
	}
	l.options.Hook(PointWritten)
	if err := l.journal.sync(l.active.file); err != nil {
		// Whether the entries are on the disk can't be known any more, and a
		// second flush may say yes to what the first one lost.
		return link{}, l.breakUp(l.cutBack(fmt.Errorf("making audit entries durable: %w", err)))
	}
	l.options.Hook(PointSynced)
	if l.active.size == 0 {
		l.active.first = l.head.seq + 1
	}
	l.active.size += int64(len(l.buffer))
	return head, nil
}

// cutBack removes what a failed write may have left, and returns the error that
// it was called for. If it can't be removed, the log is broken. That is durable: the
// next entry has the same number, and is in the journal first.
func (l *Log) cutBack(cause error) error {
	if err := errors.Join(l.active.file.Truncate(l.active.size), l.active.file.Sync()); err != nil {
		return l.breakUp(errors.Join(cause, fmt.Errorf("cutting the audit log back to %d bytes: %w", l.active.size, err)))
	}
	return cause
}

// breakUp refuses everything from now on.
func (l *Log) breakUp(cause error) error {
	if l.broken != nil {
		return l.broken
	}
	l.broken = fmt.Errorf("%w: %w", ErrBroken, cause)
	l.options.Logger.Error("Audit log broken: nothing is signed until kvclef is started again", "path", l.path, "error", cause)
	return l.broken
}

// prepare sees to it that the active segment is there and has room.
func (l *Log) prepare(size int64) error {
	if err := l.check(); err != nil {
		return err
	}
	if l.active.size > 0 && l.active.size+size > l.options.MaxBytes+l.active.extra {
		if err := l.putAside(); err != nil {
			return err
		}
	}
	if l.active.file == nil {
		return l.create()
	}
	return nil
}

// check finds out when something else has moved, removed, cut or written the
// file: entries in it would not be found again.
func (l *Log) check() error {
	if err := l.journal.check(l.path + journalSuffix); err != nil {
		return l.breakUp(err)
	}
	if l.active.file == nil {
		return nil
	}
	info, err := os.Lstat(l.path)
	switch {
	case err != nil:
		return l.breakUp(fmt.Errorf("looking at the audit log: %w", err))
	case !os.SameFile(info, l.active.info):
		return l.breakUp(fmt.Errorf("audit log %s was replaced by another file; let kvclef alone rotate it", l.path))
	case info.Size() != l.active.size:
		return l.breakUp(fmt.Errorf("audit log %s was changed by something else: it has %d bytes, not %d", l.path, info.Size(), l.active.size))
	}
	return nil
}
