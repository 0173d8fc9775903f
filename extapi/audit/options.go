package audit

import (
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// Options of a log. The zero value is good.
type Options struct {
	// MaxBytes is what a segment may hold before it is put aside; 0 is 64 MiB.
	// A segment may be longer by one write, which is at most about 1 MiB, and by
	// more where the file system refuses to rename it.
	MaxBytes int64

	// Known is an entry that the log must have, as somebody else remembers it: a
	// log that is missing or was cut off before it is refused. Zero is none.
	Known Head

	// Replica is the name of the signer that writes the log, of several that share
	// their limits. It is in each entry. "" is none.
	Replica string

	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil is [time.Now]

	// Hook is called at the points below, for crash tests. It may end the
	// process, and must not call the log, whose writer may be waiting for it.
	// Nil is nothing.
	Hook func(point string)

	// For tests: the bytes of half a journal, 0 for the usual, negative for none.
	journal int64

	// For tests; nil is the disk.
	open   func(path string, flag int, mode fs.FileMode) (file, error)
	rename func(from, to string) error
}

// Head is an entry, such as the last one, and the hash of all up to it.
type Head struct {
	Seq  uint64 // from 1; 0 is none
	Hash string // 64 hexadecimal digits
}

// The points at which [Options.Hook] is called.
const (
	PointCut            = "audit.cut"             // an unfinished line was cut off; that is not yet recorded
	PointCompleted      = "audit.completed"       // what the journal has is in the segment, not yet durable there, nor recorded
	PointOpened         = "audit.opened"          // Open read everything, and is about to start the writer
	PointWrite          = "audit.write"           // entries are about to be written
	PointWritten        = "audit.written"         // they are written, not yet durable
	PointSynced         = "audit.synced"          // they are durable, nobody knows yet
	PointRotate         = "audit.rotate"          // the full segment is about to be renamed
	PointRenamed        = "audit.renamed"         // it is, and there is no active one
	PointCreated        = "audit.created"         // there is, but its name is not yet durable
	PointCheckpoint     = "audit.checkpoint"      // a checkpoint is signed, not yet in the chain
	PointCheckpointed   = "audit.checkpointed"    // it is in the chain, not yet in its file
	PointCheckpointTemp = "audit.checkpoint-temp" // it is in a file that has not the right name yet
)

// What waits for the disk at once, and what one write takes of it.
const (
	maxQueueBytes   = 16 << 20 // some 20,000 entries
	maxBatchBytes   = 1 << 20
	defaultMaxBytes = 64 << 20
)

// file is what the writer does with the active segment and the journal.
type file interface {
	WriteAt(b []byte, offset int64) (int, error)
	ReadAt(b []byte, offset int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
	Fd() uintptr
	Close() error
}

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.journal == 0 {
		o.journal = journalHalf
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Hook == nil {
		o.Hook = func(string) {}
	}
	if o.open == nil {
		o.open = func(path string, flag int, mode fs.FileMode) (file, error) { return os.OpenFile(path, flag, mode) }
	}
	if o.rename == nil {
		o.rename = os.Rename
	}
	return o
}
