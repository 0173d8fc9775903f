package audit

import (
	"context"
	"fmt"
)

// remembers checks that the log has the entry that somebody else knows. Where
// the segment with it was moved away, the chain shows that others followed it.
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
	case at.seq == 0:
		return nil
	case at.hash != known.Hash:
		return &DamageError{File: l.path, Seq: known.Seq, Problem: fmt.Sprintf(
			"it had the hash %s when kvclef used this log last, and has %s: this is another log; bring the right one back, or give the new one a path of its own",
			known.Hash, at.hash)}
	}
	return nil
}

// forgotten says that the log ends before an entry that was there.
func forgotten(path string, known Head, last uint64) error {
	return &DamageError{File: path, Seq: known.Seq, Problem: fmt.Sprintf(
		"it was there when kvclef used this log last, with the hash %s, and now the last entry is %d: the log was removed, cut, or replaced by an older copy; "+
			"bring it back, or begin a new log on purpose at another path (--auditlog)", known.Hash, last)}
}
