package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// bbolt maps its file into memory and trusts every offset in it: a damaged page
// can crash the process beyond recovery. So the file is read here first, page
// by page, with nothing trusted.

const (
	pageHeader  = 16
	pageElement = 16
	bucketSize  = 16

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagBucket = 0x01 // of a leaf's element
	maxDepth   = 64
	maxDamages = 16
)

// walker reads all records of a file.
type walker struct {
	file    io.ReaderAt
	head    head
	seen    map[uint64]bool
	buckets []string
	damages []error

	// record is called for each, in the order of buckets and keys. What it is
	// given is valid during the call.
	record func(bucket string, key, value []byte)
}

func (w *walker) damage(page uint64, text string, args ...any) {
	if len(w.damages) < maxDamages {
		w.damages = append(w.damages, fmt.Errorf("page %d: "+text, append([]any{page}, args...)...))
	}
}

// walk reads the tree of buckets.
func (w *walker) walk() {
	w.seen = map[uint64]bool{0: true, 1: true}
	w.tree(w.head.root, 0, nil, nil, func(page uint64, flags uint32, key, value []byte) {
		if flags != flagBucket {
			w.damage(page, "a record outside of all buckets")
			return
		}
		w.buckets = append(w.buckets, string(key))
		w.bucket(page, string(key), value)
	})
}

// bucket reads the records of a bucket, which has a tree of its own or, when it
// is small, a page within the value.
func (w *walker) bucket(page uint64, name string, value []byte) {
	if len(value) < bucketSize {
		w.damage(page, "a bucket of %d bytes", len(value))
		return
	}
	leaf := func(page uint64, flags uint32, key, value []byte) {
		if flags != 0 {
			w.damage(page, "a bucket within the bucket %q", name)
			return
		}
		w.record(name, key, value)
	}
	root := binary.NativeEndian.Uint64(value)
	if root != 0 {
		w.tree(root, 0, nil, nil, leaf)
		return
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		w.damage(page, "the bucket %q has no leaf", name)
		return
	}
	w.leaf(page, inline, nil, nil, leaf)
}

type leafFunc func(page uint64, flags uint32, key, value []byte)

// tree reads a page and all below it. Its keys are from low on, and below high
// unless that is nil.
func (w *walker) tree(id uint64, depth int, low, high []byte, leaf leafFunc) {
	if depth > maxDepth {
		w.damage(id, "the tree is deeper than %d", maxDepth)
		return
	}
	data := w.page(id)
	if data == nil {
		return
	}
	if binary.NativeEndian.Uint16(data[8:]) == flagLeaf {
		w.leaf(id, data, low, high, leaf)
		return
	}
	count := int(binary.NativeEndian.Uint16(data[10:]))
	if count == 0 || pageHeader+count*pageElement > len(data) {
		w.damage(id, "%d branches", count)
		return
	}
	keys, children := make([][]byte, count), make([]uint64, count)
	for i := range count {
		at := pageHeader + i*pageElement
		element := data[at : at+pageElement]
		position, size := at+span(element), span(element[4:])
		if size > len(data)-position {
			w.damage(id, "branch %d leaves the page", i)
			return
		}
		keys[i], children[i] = data[position:position+size], binary.NativeEndian.Uint64(element[8:])
		if i == 0 && low != nil && bytes.Compare(keys[0], low) < 0 || i > 0 && bytes.Compare(keys[i-1], keys[i]) >= 0 ||
			high != nil && bytes.Compare(keys[i], high) >= 0 {
			w.damage(id, "branch %d is out of order", i)
			return
		}
	}
	for i, child := range children {
		upper := high
		if i+1 < count {
			upper = keys[i+1]
		}
		w.tree(child, depth+1, keys[i], upper, leaf)
	}
}

// leaf reads the elements of a page.
func (w *walker) leaf(id uint64, data, low, high []byte, leaf leafFunc) {
	count := int(binary.NativeEndian.Uint16(data[10:]))
	if pageHeader+count*pageElement > len(data) {
		w.damage(id, "%d elements", count)
		return
	}
	for i := range count {
		at := pageHeader + i*pageElement
		element := data[at : at+pageElement]
		position := at + span(element[4:])
		keySize, valueSize := span(element[8:]), span(element[12:])
		if keySize > len(data)-position || valueSize > len(data)-position-keySize {
			w.damage(id, "element %d leaves the page", i)
			return
		}
		key := data[position : position+keySize]
		first := i == 0 && low != nil
		if order := bytes.Compare(key, low); first && order < 0 || !first && i > 0 && order <= 0 || high != nil && bytes.Compare(key, high) >= 0 {
			w.damage(id, "element %d is out of order", i)
			return
		}
		low = key
		leaf(id, binary.NativeEndian.Uint32(element), key, data[position+keySize:position+keySize+valueSize])
	}
}

// page reads a page with its overflow, nil if it can't be one of a tree.
func (w *walker) page(id uint64) []byte {
	if id < 2 || id >= w.head.high {
		w.damage(id, "it is outside of the %d pages in use", w.head.high)
		return nil
	}
	size := int64(w.head.pageSize)
	header := make([]byte, pageHeader)
	if _, err := w.file.ReadAt(header, int64(id)*size); err != nil {
		w.damage(id, "reading it: %v", err)
		return nil
	}
	flags, overflow := binary.NativeEndian.Uint16(header[8:]), uint64(binary.NativeEndian.Uint32(header[12:]))
	switch {
	case binary.NativeEndian.Uint64(header) != id:
		w.damage(id, "it says that it is page %d", binary.NativeEndian.Uint64(header))
		return nil
	case flags != flagLeaf && flags != flagBranch:
		w.damage(id, "its type is %#x", flags)
		return nil
	case overflow >= w.head.high-id:
		w.damage(id, "it ends outside of the pages in use")
		return nil
	}
	for i := id; i <= id+overflow; i++ {
		if w.seen[i] {
			w.damage(id, "it is part of page %d and of another", i)
			return nil
		}
		w.seen[i] = true
	}
	data := make([]byte, int64(1+overflow)*size)
	if _, err := w.file.ReadAt(data, int64(id)*size); err != nil {
		w.damage(id, "reading it: %v", err)
		return nil
	}
	return data
}

// span reads an offset or a length. None is beyond half a gigabyte, so that
// the sum of three fits in an int everywhere.
func span(data []byte) int {
	return int(min(binary.NativeEndian.Uint32(data), 1<<29))
}
