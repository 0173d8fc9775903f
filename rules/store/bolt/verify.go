package bolt

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/kvclef/kvclef/rules"
)

// contents is what a reading of the whole file found.
type contents struct {
	format format
	state  state
	txid   uint64

	keys  int   // of the storage
	bytes int64 // of its keys and values
	kept  size  // of records

	holds []rules.HoldID // not settled

	relied LogHead // zero: the file has all that was reserved

	forgotten LogHead // zero: nothing was given up, or it was told
}

// verify reads the whole file: that the pages are sound, that the records are
// those that were written, and that they are understood. It returns what it
// could read with the error. Each, which may be nil, gets every record.
func verify(file *os.File, each func(bucket string, key, value []byte)) (contents, error) {
	var found contents
	head, err := readHead(file)
	if err != nil {
		return found, err
	}
	found.txid = head.txid
	if err := head.fits(file); err != nil {
		return found, err
	}

	scan := &scan{found: &found, each: each}
	w := &walker{file: file, head: head, record: scan.record}
	w.walk()
	return found, scan.judge(w)
}

// fits checks that the file has all pages in use: one that is mapped and not
// there ends the process when it is touched.
func (h head) fits(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("reading its size: %w", err)
	}
	if pages := uint64(info.Size()) / uint64(h.pageSize); h.high > pages || pages < 2 {
		return fmt.Errorf("%w: it was cut off: it has %d pages of %d", ErrCorrupt, pages, h.high)
	}
	return nil
}

// scan collects what a walk finds.
type scan struct {
	found *contents
	each  func(bucket string, key, value []byte)

	hasFormat, hasState bool

	formatErr error
	records   uint64
	sum       digest
	damages   []error
}

func (s *scan) record(bucket string, key, value []byte) {
	if err := s.decode(bucket, key, value); err != nil && len(s.damages) < maxDamages {
		s.damages = append(s.damages, fmt.Errorf("bucket %q, key %x: %w", bucket, key, err))
	}
	if bucket != bucketMeta || string(key) != keyState {
		s.records++
		s.sum = s.sum.plus(recordDigest(bucket, key, value))
	}
	if s.each != nil {
		s.each(bucket, key, value)
	}
}

func (s *scan) decode(bucket string, key, value []byte) (err error) {
	switch bucket {
	case bucketMeta:
		return s.meta(string(key), value)
	case bucketStorage:
		s.found.keys++
		s.found.bytes += int64(len(key) + len(value))
		return nil
	case bucketRecords:
		s.found.kept = s.found.kept.plus(recordCost(string(key), value))
		if len(key) == 0 || len(key) > rules.MaxRecordKey || len(value) > rules.MaxRecordValue {
			return fmt.Errorf("%w: a record of %d bytes", errRecord, len(value))
		}
		return nil
	case bucketCounters:
		_, err = decodeCounter(value)
		return err
	case bucketQueue:
		_, keyErr := decodeChargeKey(key)
		_, err = decodeCharge(value)
		return errors.Join(keyErr, err)
	case bucketCharges:
		_, keyErr := decodeChargeKey(key)
		_, err = decodeFirstCharge(value)
		return errors.Join(keyErr, err)
	case bucketSlots:
		_, _, err = decodeSlot(key, value)
		return err
	case bucketHolds:
		id, keyErr := decodeHoldKey(key)
		_, err = decodeHold(value)
		s.found.holds = append(s.found.holds, id)
		return errors.Join(keyErr, err)
	}
	return fmt.Errorf("%w: there is no such bucket", errRecord)
}

func (s *scan) meta(key string, value []byte) (err error) {
	switch key {
	case keyFormat:
		s.hasFormat = true
		s.found.format, s.formatErr = decodeFormat(value)
		return nil
	case keyState:
		s.hasState = true
		s.found.state, err = decodeState(value)
		return err
	case keyLogHeads:
		_, err = decodeLogHeads(value)
		return err
	case keyRelied:
		s.found.relied, err = decodeRelied(value)
		return err
	case keyForgotten:
		s.found.forgotten, err = decodeRelied(value)
		return err
	}
	if kind, ok := attestedKind(key); ok {
		_, err = decodeAttestation(value, kind)
		return err
	}
	return fmt.Errorf("%w: there is no such key", errRecord)
}

// judge says what a finished walk means.
func (s *scan) judge(w *walker) error {
	switch {
	case s.formatErr != nil && !errors.Is(s.formatErr, errRecord):
		return s.formatErr // foreign, or newer: the rest may well look damaged
	case !s.hasFormat && !s.hasState && len(w.damages) == 0:
		return fmt.Errorf("%w, or its making was interrupted: remove the file and use kvclef init if you are certain", ErrForeign)
	}
	damages := slices.Concat(w.damages, s.damages)
	if !slices.Equal(w.buckets, buckets(s.found.format.Version)) {
		damages = append(damages, fmt.Errorf("its buckets are %q", w.buckets))
	}
	if s.formatErr != nil {
		damages = append(damages, s.formatErr)
	}
	if w.head.freelist != noFreelist {
		damages = append(damages, errors.New("a list of free pages, which kvclef does not write"))
	}
	if !s.hasFormat || !s.hasState {
		damages = append(damages, errors.New("there is no format, or no state"))
	}
	switch written := s.found.state.records; {
	case len(damages) > 0:
	case s.records != written:
		damages = append(damages, fmt.Errorf("it has %d records, and %d were written", s.records, written))
	case s.sum != s.found.state.sum:
		damages = append(damages, fmt.Errorf("one of its %d records is not as it was written", written))
	case s.found.format.Version > firstVersion && s.found.state.tx != w.head.txid:
		damages = append(damages, fmt.Errorf("its records are of transaction %d, and %d was written", s.found.state.tx, w.head.txid))
	}
	if len(damages) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, errors.Join(damages...))
}
