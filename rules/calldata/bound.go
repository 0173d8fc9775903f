package calldata

import (
	"encoding/binary"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

// MaxNesting is how deep the types of a signature may lie in arrays and tuples;
// those that go-ethereum knows lie up to 4 deep. The ABI decoder looks at every
// level below a value, at every level above it: hundreds of levels would make
// many minutes of a megabyte, and a Go type for each of them.
const MaxNesting = 8

// nesting returns the depth of the deepest type; 1 is a plain type.
func nesting(inputs []abi.ArgumentMarshaling) int {
	deepest := 0
	for _, input := range inputs {
		deepest = max(deepest, 1+strings.Count(input.Type, "[")+nesting(input.Components))
	}
	return deepest
}

// bounded reports whether decoding arguments takes time and memory in
// proportion to the call data. A few kilobytes can decode to terabytes: through
// arrays whose elements all point at one place, or through a fixed array of an
// absurd length, for which the ABI decoder reserves memory before it looks at
// the data. Encodings without shared parts visit every word once and pass;
// malformed data passes where the decoder stops.
func bounded(arguments abi.Arguments, data []byte) bool {
	w := &abiWalk{data: data, words: len(data)/32 + abiSlack}
	types := make([]*abi.Type, len(arguments))
	for i := range arguments {
		types[i] = &arguments[i].Type
		if !w.fits(1, types[i]) {
			return false
		}
	}
	w.tuple(types, 0)
	return w.words >= 0
}

// abiSlack is the number of words that an encoding may claim beyond its length,
// so that data that is merely too short gets the decoder's own error.
const abiSlack = 1 << 14

// abiWalk visits an encoding in the decoder's order.
type abiWalk struct {
	data  []byte
	words int // still to be visited; negative: unbounded
}

// fits takes n values of a type out of the words, if they can be there.
func (w *abiWalk) fits(n int, t *abi.Type) bool {
	size := inlineWords(t)
	if size > 0 && n > w.words/size {
		w.words = -1
		return false
	}
	return true
}

// tuple visits values whose heads begin at base, to which offsets are relative.
// It is false when the walk ends: the data is malformed, or unbounded.
func (w *abiWalk) tuple(types []*abi.Type, base int) bool {
	at := base
	for _, t := range types {
		if !w.value(t, at, base) {
			return false
		}
		at += headSize(t)
	}
	return true
}

// value visits the value whose head is at a position.
func (w *abiWalk) value(t *abi.Type, at, base int) bool {
	if countsAsWord(t) {
		if w.words--; w.words < 0 {
			return false
		}
	}
	if isDynamic(t) {
		offset, ok := w.number(at)
		if !ok {
			return false
		}
		at = base + offset
	}
	switch t.T {
	case abi.StringTy, abi.BytesTy:
		length, ok := w.number(at)
		w.words -= length / 32
		return ok && w.words >= 0
	case abi.SliceTy:
		length, ok := w.number(at)
		return ok && w.array(t.Elem, length, at+32)
	case abi.ArrayTy:
		return w.array(t.Elem, t.Size, at)
	case abi.TupleTy:
		return w.tuple(t.TupleElems, at)
	default:
		return at+32 <= len(w.data)
	}
}

// countsAsWord reports whether a value has a word of its own: a leaf or an
// offset. Arrays and tuples in line have not, but an empty one counts, lest a
// walk through nothing never end.
func countsAsWord(t *abi.Type) bool {
	inline := t.T == abi.ArrayTy || t.T == abi.TupleTy
	return !inline || isDynamic(t) || inlineWords(t) == 0
}

// array visits n elements whose heads begin at base.
func (w *abiWalk) array(elem *abi.Type, n, base int) bool {
	if !w.fits(n, elem) {
		return false
	}
	for i := range n {
		if !w.value(elem, base+i*headSize(elem), base) {
			return false
		}
	}
	return true
}

// number reads an offset or a length, which must lie within the data. Only its
// low 8 bytes count, as for the decoder.
func (w *abiWalk) number(at int) (int, bool) {
	if at < 0 || at+32 > len(w.data) {
		return 0, false
	}
	n := binary.BigEndian.Uint64(w.data[at+24 : at+32])
	if n > uint64(len(w.data)) {
		return 0, false
	}
	return int(n), true // #nosec G115 -- at most the length of the data
}

// isDynamic reports whether a value is behind an offset.
func isDynamic(t *abi.Type) bool {
	switch t.T {
	case abi.StringTy, abi.BytesTy, abi.SliceTy:
		return true
	case abi.ArrayTy:
		return isDynamic(t.Elem)
	case abi.TupleTy:
		for _, elem := range t.TupleElems {
			if isDynamic(elem) {
				return true
			}
		}
	}
	return false
}

// headSize is the length of a value's head in bytes.
func headSize(t *abi.Type) int {
	if isDynamic(t) {
		return 32
	}
	return 32 * inlineWords(t)
}

// inlineWords is the number of words that a value reserves before its data is
// looked at. It saturates, so that products stay small.
func inlineWords(t *abi.Type) int {
	const most = 1 << 30
	switch t.T {
	case abi.ArrayTy:
		size := inlineWords(t.Elem)
		if size > 0 && t.Size > most/size {
			return most
		}
		return t.Size * size
	case abi.TupleTy:
		size := 0
		for _, elem := range t.TupleElems {
			size = min(size+inlineWords(elem), most)
		}
		return size
	default:
		return 1
	}
}
