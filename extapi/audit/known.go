package audit

import (
	"context"
	"fmt"
)

// compare checks that the log has what is known of it, by a checkpoint and by
// somebody else, before anything of it is changed. Of the active segment, entries
// has what is needed.
func (l *Log) compare(ctx context.Context, entries map[uint64]link, firsts []uint64) error {
	if l.checkpoint.Seq > 0 {
		if err := l.holds(ctx, l.checkpoint, entries, firsts); err != nil {
			return err
		}
	}
	return l.remembers(ctx, entries, firsts)
}

// remembers checks that the log has the entry that somebody else knows. Where
// the oldest segments were moved away, and it with them, others have followed it.
func (l *Log) remembers(ctx context.Context, entries map[uint64]link, firsts []uint64) error {
	known := l.options.Known
	if known.Seq == 0 {
		return nil
	}
	if known.Seq > l.head.seq {
		return forgotten(l.path, known, l.head.seq)
	}
	at, err := l.at(ctx, known.Seq, entries, firsts)
	switch {
	case err != nil:
		return err
	case at.seq == 0 && l.begins(known.Seq, firsts):
		l.options.Logger.Warn("Audit log begins after the entry that it had when it was used last: its segment was moved away",
			"path", l.path, "entry", known.Seq, "hash", known.Hash, "last_entry", l.head.seq)
		return nil
	case at.seq == 0:
		return &DamageError{File: l.path, Seq: known.Seq, Problem: fmt.Sprintf(
			"it was there when kvclef used this log last, with the hash %s, and the segment that had it is missing between others: bring it back", known.Hash)}
	case at.hash != known.Hash:
		return &DamageError{File: l.path, Seq: known.Seq, Problem: fmt.Sprintf(
			"it had the hash %s when kvclef used this log last, and has %s: this is another log; bring the right one back, or give the new one a path of its own",
			known.Hash, at.hash)}
	}
	return nil
}

// begins tells whether the log begins after an entry that it does not have.
func (l *Log) begins(seq uint64, firsts []uint64) bool {
	return seq <= l.head.seq && (len(firsts) == 0 || seq < firsts[0])
}

// forgotten says that the log ends before an entry that was there.
func forgotten(path string, known Head, last uint64) error {
	return &DamageError{File: path, Seq: known.Seq, Problem: fmt.Sprintf(
		"it was there when kvclef used this log last, with the hash %s, and now the last entry is %d: the log was removed, cut, or replaced by an older copy; "+
			"bring it back, or begin a new log on purpose at another path (--auditlog)", known.Hash, last)}
}
