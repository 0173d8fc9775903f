package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

const (
	bboltMagic   = 0xED0CDAED
	bboltVersion = 2

	metaSize    = 64 // with the checksum
	flagMeta    = 0x04
	noFreelist  = ^uint64(0)
	minPageSize = 1 << 10
	maxPageSize = 1 << 16
)

// head is a page that leads to a tree: the file has two, written in turn.
type head struct {
	pageSize uint32
	root     uint64
	freelist uint64
	high     uint64 // pages from this one on are not in use
	txid     uint64
}

var errMagic = errors.New("it is not one of bbolt")

// decodeHead reads the page that stands at the head of data.
func decodeHead(data []byte) (head, error) {
	if len(data) < pageHeader+metaSize {
		return head{}, io.ErrUnexpectedEOF
	}
	flags, meta := binary.NativeEndian.Uint16(data[8:]), data[pageHeader:pageHeader+metaSize]
	if binary.NativeEndian.Uint32(meta) != bboltMagic {
		return head{}, errMagic
	}
	hash := fnv.New64a()
	hash.Write(meta[:metaSize-8])
	switch {
	case flags != flagMeta:
		return head{}, fmt.Errorf("its type is %#x", flags)
	case hash.Sum64() != binary.NativeEndian.Uint64(meta[metaSize-8:]):
		return head{}, errors.New("it does not match its checksum")
	case binary.NativeEndian.Uint32(meta[4:]) != bboltVersion:
		return head{}, fmt.Errorf("its version is %d", binary.NativeEndian.Uint32(meta[4:]))
	}
	h := head{
		pageSize: binary.NativeEndian.Uint32(meta[8:]),
		root:     binary.NativeEndian.Uint64(meta[16:]),
		freelist: binary.NativeEndian.Uint64(meta[32:]),
		high:     binary.NativeEndian.Uint64(meta[40:]),
		txid:     binary.NativeEndian.Uint64(meta[48:]),
	}
	if h.pageSize < minPageSize || h.pageSize > maxPageSize || h.pageSize&(h.pageSize-1) != 0 {
		return head{}, fmt.Errorf("its page size is %d", h.pageSize)
	}
	return h, nil
}

// readHead returns the newer of the two heads. One that is damaged may have
// been the newer one, and what it led to would be lost in silence: that is an
// error. A crash does not leave one, for a head fits in a disk's sector.
func readHead(file io.ReaderAt) (head, error) {
	first, err := headAt(file, 0)
	if err != nil {
		if _, second := headAt(file, int64(os.Getpagesize())); isForeign(err) && isForeign(second) {
			return head{}, ErrForeign
		}
		return head{}, fmt.Errorf("%w: the first of its two head pages: %w", ErrCorrupt, err)
	}
	second, err := headAt(file, int64(first.pageSize))
	switch {
	case err != nil:
		return head{}, fmt.Errorf("%w: the second of its two head pages: %w", ErrCorrupt, err)
	case second.pageSize != first.pageSize:
		return head{}, fmt.Errorf("%w: its head pages differ in the page size", ErrCorrupt)
	case second.txid == first.txid+1:
		return second, nil
	case second.txid+1 == first.txid:
		return first, nil
	case second.txid+2 == first.txid && first.txid%2 == 0:
		return first, nil // the first transaction of a backup that had its heads the wrong way round
	}
	return head{}, fmt.Errorf("%w: its head pages are of transactions %d and %d", ErrCorrupt, first.txid, second.txid)
}

// isForeign tells whether what stands in a head's place never was one.
func isForeign(err error) bool {
	return errors.Is(err, errMagic) || errors.Is(err, io.ErrUnexpectedEOF)
}

func headAt(file io.ReaderAt, offset int64) (head, error) {
	data := make([]byte, pageHeader+metaSize)
	if _, err := file.ReadAt(data, offset); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return head{}, err
	}
	return decodeHead(data)
}
