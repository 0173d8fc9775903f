package proxy

import (
	"bytes"
	"strings"
)

// maxDepth bounds the nesting of a request: typed data and options of traces
// have a dozen levels. Answers nest as deep as encoding/json takes them.
const (
	maxDepth       = 128
	maxAnswerDepth = 10_000
)

// scanner walks JSON text once, without decoding it. It takes exactly the
// grammar of RFC 8259; whether strings are valid UTF-8 is not its concern.
type scanner struct {
	data  []byte
	at    int // of the next byte
	depth int // of what may still be nested
	deep  bool
	buf   [64]byte // what the containers are closed with
}

// peek returns the next byte after space, 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.data) {
		c := s.data[s.at]
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.at++
	}
	return 0
}

// take consumes one byte after space, if it is c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// value consumes one value after space and returns it. False: it is none, or
// nested too deep.
func (s *scanner) value() ([]byte, bool) {
	s.peek()
	start := s.at
	if !s.walk() {
		return nil, false
	}
	return s.data[start:s.at], true
}

// walk consumes one value, with a stack of its own in place of the program's.
func (s *scanner) walk() bool {
	open := s.buf[:0]
	for {
		switch c := s.peek(); c {
		case '{', '[':
			s.at++
			if len(open) >= s.depth {
				s.deep = true
				return false
			}
			end := c + 2 // ] and } in ASCII
			if !s.take(end) {
				open = append(open, end)
				if c == '{' && !s.name() {
					return false
				}
				continue
			}
		default:
			if !s.scalar(c) {
				return false
			}
		}
		for len(open) > 0 && s.take(open[len(open)-1]) {
			open = open[:len(open)-1]
		}
		if len(open) == 0 {
			return true
		}
		if !s.take(',') || open[len(open)-1] == '}' && !s.name() {
			return false
		}
	}
}

// pair consumes one member of an object and returns its name, as it is quoted,
// and its value.
func (s *scanner) pair() (name, value []byte, ok bool) {
	if s.peek() != '"' {
		return nil, nil, false
	}
	start := s.at
	if !s.text() {
		return nil, nil, false
	}
	name = s.data[start:s.at]
	if !s.take(':') {
		return nil, nil, false
	}
	value, ok = s.value()
	return name, value, ok
}

// name consumes a member's name and its colon.
func (s *scanner) name() bool {
	return s.peek() == '"' && s.text() && s.take(':')
}

// scalar consumes what is neither object nor array and begins with c.
func (s *scanner) scalar(c byte) bool {
	switch c {
	case '"':
		return s.text()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) word(word string) bool {
	if !bytes.HasPrefix(s.data[s.at:], []byte(word)) {
		return false
	}
	s.at += len(word)
	return true
}

// text consumes a string.
func (s *scanner) text() bool {
	data := s.data
	for i := s.at + 1; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			s.at = i + 1
			return true
		case c < ' ':
			return false
		case c == '\\':
			n := escape(data[i:])
			if n == 0 {
				return false
			}
			i += n - 1
		}
	}
	return false
}

// escape returns the length of the escape that data begins with, 0 if it is
// none.
func escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	if data[1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, data[1]) < 0 {
			return 0
		}
		return 2
	}
	if len(data) < 6 {
		return 0
	}
	for _, c := range data[2:6] {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return 0
		}
	}
	return 6
}

// number consumes a number.
func (s *scanner) number() bool {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		return s.digits()
	}
	return true
}

// skip consumes the next byte, if it is c.
func (s *scanner) skip(c byte) bool {
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}
