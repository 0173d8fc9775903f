// Package bolt keeps kvclef's durable state in one file, by go.etcd.io/bbolt:
// the storage of rule files, what is held and spent of limits, records, and the
// attestation of the rule file.
//
// What a method says is durable was flushed to the disk; concurrent calls share
// a flush. A file is made by [Create] alone: [Open] never makes, repairs or
// resets one. Open brings a file of an older version to this one, in one
// transaction. It reads the whole file, and refuses one in which a record is not
// what was written; it does not tell a file from an older copy of it. A file that something else replaces or writes while it is open is noticed,
// and nothing more is accepted. What is reserved ([Store.Reserve]) is durable in an audit
// log first, and in the file a moment later. The file is not encrypted: keys and secrets have no place in it.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	bbolt "go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/kvclef/kvclef/rules"
)

const (
	lockTimeout = 500 * time.Millisecond

	// A file that grows beyond what is mapped is mapped anew, and that waits for
	// readers: a backup that is slow to be written away would stop all. Address
	// space costs nothing.
	initialMap = 4 << 30 // bytes: twice what storage and records may hold, and more
	growth     = 1 << 20 // bytes by which the file grows at least
)

// Options are what a store needs from outside. All may be left out.
type Options struct {
	Logger *slog.Logger
	Clock  func() time.Time // the wall clock

	// most bounds the records, in tests; the zero value is what rules says.
	most size

	// Hook is called before and after a transaction is made durable, with
	// "store.before-commit" and "store.after-commit", so that tests can end the
	// process there.
	Hook func(point string)
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	db      *bbolt.DB
	logger  *slog.Logger
	writer  *writer
	ledger  ledger
	storage storage
	records records

	unsettled LogHead // when it was opened
	forgotten LogHead // the same
	recovered atomic.Bool

	closing  sync.Once
	closeErr error
}

var (
	_ rules.Storage = (*Store)(nil)
	_ rules.Ledger  = (*Store)(nil)
	_ rules.Meter   = (*Store)(nil)
	_ rules.Records = (*Store)(nil)
)

// Open opens the store at a path, for this process alone. Close ends it. The
// error is [ErrMissing], [ErrForeign], [ErrNewer], [ErrCorrupt] or [ErrLocked],
// with the remedy, or one of the file system.
func Open(ctx context.Context, path string, options Options) (*Store, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	found, err := openable(path)
	if err != nil {
		return nil, err
	}
	var (
		db   *bbolt.DB
		file *os.File
	)
	err = guard(func() error {
		db, err = bbolt.Open(path, fileMode, settings(&file))
		return err
	})
	if err != nil {
		return nil, openError(path, err)
	}
	db.AllocSize = growth
	s := newStore(db, found, options)
	if found.format.Version < formatVersion {
		if err := migrate(db, found, s.writer.at); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: bringing the store from version %d to %d: %w", path, found.format.Version, formatVersion, err), guard(db.Close))
		}
		s.logger.Info("the store was brought to a newer version, and an older kvclef does not open it any more",
			"path", path, "from", found.format.Version, "to", formatVersion)
	}
	if err := s.writer.identity.learn(db, file); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store: %w", err), db.Close())
	}
	go s.writer.run()
	return s, nil
}

// settings of a file that is written. Free pages are found when it is opened
// rather than kept in it: that is one page less to write, and to be damaged. The
// file that was opened is left in opened.
func settings(opened **os.File) *bbolt.Options {
	options := &bbolt.Options{
		Timeout:        lockTimeout,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		NoStatistics:   true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			file, err := os.OpenFile(path, flag&^os.O_CREATE, mode)
			*opened = file
			return file, err
		},
	}
	if strconv.IntSize == 64 && runtime.GOOS != "windows" { // which would make the file as large
		size := int64(initialMap) // more than the int of others
		options.InitialMmapSize = int(size)
	}
	return options
}

// openable reads the file while nobody writes it.
func openable(path string) (contents, error) { return unwritten(path, nil) }

// unwritten reads the file while nobody writes it, and if it is sound goes on
// with what is to be done meanwhile, which may be nil.
func unwritten(path string, meanwhile func(*os.File) error) (contents, error) {
	file, err := openRegular(path)
	if err != nil {
		return contents{}, err
	}
	defer file.Close() //nolint:errcheck // it is only read

	// Without a head bbolt would not open it, and nobody has it open.
	head, headErr := readHead(file)
	if errors.Is(headErr, ErrForeign) {
		return contents{}, fmt.Errorf("%s: %w", path, headErr)
	}
	if headErr == nil {
		headErr = head.fits(file)
	}
	lock, err := bbolt.Open(path, fileMode, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout, NoStatistics: true})
	if err != nil {
		return contents{}, openError(path, errors.Join(err, headErr))
	}
	found, err := verify(file, nil)
	if err == nil && meanwhile != nil {
		err = meanwhile(file)
	}
	if err = errors.Join(err, lock.Close()); err != nil {
		return contents{}, openError(path, err)
	}
	return found, nil
}

// openRegular opens a store for reading, and nothing but a file: a pipe would
// never answer.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: it is not a file", path, ErrForeign)
	}
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s: make one with kvclef init", ErrMissing, path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return file, nil
}

// openError says what is wrong and what to do.
func openError(path string, err error) error {
	var crash *crashError
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w: only one kvclef at a time may have it", path, ErrLocked)
	case errors.Is(err, ErrForeign), errors.Is(err, ErrNewer):
		return fmt.Errorf("%s: %w", path, err)
	case errors.Is(err, ErrCorrupt):
		return damaged(path, err)
	case errors.As(err, &crash), errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum),
		errors.Is(err, bbolterrors.ErrVersionMismatch):
		return damaged(path, fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	return fmt.Errorf("opening the store: %w", err)
}

func newStore(db *bbolt.DB, found contents, options Options) *Store {
	s := &Store{db: db, logger: options.Logger, unsettled: found.relied, forgotten: found.forgotten}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.most == (size{}) {
		options.most = size{keys: rules.MaxRecords, bytes: rules.MaxRecordBytes}
	}
	s.ledger.open = make(map[rules.HoldID]bool, len(found.holds))
	for _, id := range found.holds {
		s.ledger.add(id)
	}
	s.storage.overlay = make(map[string]pending)
	s.storage.durable = size{keys: found.keys, bytes: int(found.bytes)}
	s.storage.size = s.storage.durable
	s.writer = &writer{
		db:     db,
		logger: s.logger,
		clock:  options.Clock,
		hook:   options.Hook,
		lapsed: s.ledger.lapse,
		kept:   found.kept,
		most:   options.most,
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	return s
}

// Close writes what was asked for before, and ends the store. Whoever waits
// for a storage transaction is refused.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.storage.turn.close()
		s.writer.stop()
		var crash *crashError
		if err := s.writer.health(); errors.As(err, &crash) {
			s.closeErr = err // bbolt may hold its own locks for good
			return
		}
		if err := guard(s.db.Close); err != nil {
			s.closeErr = fmt.Errorf("closing the store: %w", err)
		}
	})
	return s.closeErr
}
