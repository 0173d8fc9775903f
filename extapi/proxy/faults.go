package proxy

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"sync"
)

// faults are the errors in an answer of the node.
type faults struct {
	all bool            // the answer is one error
	of  map[string]bool // calls of a batch, by sameID
}

// outcome is what became of a call that was answered.
func (f faults) outcome(id []byte) Outcome {
	if f.all || len(f.of) > 0 && f.of[sameID(id)] {
		return OutcomeError
	}
	return OutcomeOK
}

// faultsIn finds the errors in the beginning of an answer. It does not check the text.
func faultsIn(head []byte) (f faults) {
	s := &scanner{data: head}
	if !s.take('[') {
		return faults{all: s.fault()}
	}
	for {
		a, ok := s.answer()
		if !ok {
			return f
		}
		if a.fail && a.id != nil {
			if f.of == nil {
				f.of = make(map[string]bool)
			}
			f.of[sameID(a.id)] = true
		}
		if !s.take(',') {
			return f
		}
	}
}

// fault reports whether an answer is an error. A result says nothing: some nodes begin one,
// and fail on the way.
func (s *scanner) fault() bool {
	s.depth = maxAnswerDepth
	if !s.take('{') {
		return false
	}
	for s.peek() == '"' {
		start := s.at
		if !s.name() {
			return false
		}
		name := s.data[start:s.at]
		if bytes.HasPrefix(name, []byte(`"error"`)) && s.peek() != 'n' { // null says nothing
			return true
		}
		if _, ok := s.value(); !ok || !s.take(',') {
			return false
		}
	}
	return false
}

// decoders decode the beginnings of answers.
type decoders struct{ pool sync.Pool }

// decode returns the beginning of an answer that the node has encoded, nil of one that
// it can't decode.
func (d *decoders) decode(into, head []byte, encoding string) []byte {
	if !strings.EqualFold(encoding, "gzip") {
		return nil
	}
	reader, ok := d.pool.Get().(*gzip.Reader)
	if !ok {
		reader = new(gzip.Reader)
	}
	defer d.pool.Put(reader)
	if err := reader.Reset(bytes.NewReader(head)); err != nil {
		return nil
	}
	n, _ := io.ReadFull(reader, into[:decodedFirst]) // an error ends the beginning
	if n == decodedFirst && into[0] == '[' {
		more, _ := io.ReadFull(reader, into[n:])
		n += more
	}
	return into[:n]
}

// decodedFirst is how much of an answer is decoded, in bytes. It has all that comes
// before an error; of a batch the whole head is decoded.
const decodedFirst = 1 << 10
