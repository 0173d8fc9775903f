package proxy

import "bytes"

// What is kept of one message: so many ids, so many bytes of each, and of all. An
// encoder may write each character of an id as an escape, six bytes long.
const (
	maxWalkedIDs   = 1 << 16
	maxWalkedID    = 6 * maxID
	maxWalkedBytes = 4 << 20
)

// walker reads an answer piece by piece: where it ends, the ids in it, and whether one to a
// single call is an error. It keeps nothing else, so that an answer of any size passes
// through. It does not check the text.
type walker struct {
	begun    bool
	envelope int  // the depth of members of an answer: 1, in a batch 2
	depth    int  // of what is open
	inText   bool // within a string
	escaped  bool // the next byte of the string is escaped
	naming   bool // the next string at the envelope's depth is a name
	inName   bool // the string is a name
	inID     bool // the value is an id
	inError  bool // the value that comes next is an error
	fail     bool // an error has come, which is not null
	token    []byte
	ids      [][]byte
	kept     int // bytes of ids
}

// ended reports whether the value is complete.
func (w *walker) ended() bool { return w.begun && w.depth == 0 }

// batch reports whether the answer is one to a batch.
func (w *walker) batch() bool { return w.envelope == 2 }

// feed takes the next bytes and returns how many belong to the value.
func (w *walker) feed(data []byte) int {
	for i := 0; i < len(data); i++ {
		if w.inText {
			i += w.text(data[i:]) - 1
			continue
		}
		w.byte(data[i])
		if w.ended() {
			return i + 1
		}
	}
	return len(data)
}

// text takes bytes of a string and returns how many. It looks at each once, however many
// are escaped.
func (w *walker) text(data []byte) int {
	at, quote := 0, -1 // where the next quotation mark is; at the end: none
	if w.escaped {
		w.escaped, at = false, 1
	}
	for {
		if quote < at {
			quote = len(data)
			if i := bytes.IndexByte(data[at:], '"'); i >= 0 {
				quote = at + i
			}
		}
		escape := bytes.IndexByte(data[at:quote], '\\')
		if escape < 0 {
			break
		}
		if at += escape + 2; at > len(data) {
			w.escaped, quote = true, len(data)
			break
		}
	}
	if quote == len(data) {
		w.keep(data)
		return quote
	}
	w.inText = false
	w.keep(data[:quote+1])
	w.endName()
	return quote + 1
}

// keep collects a name or an id.
func (w *walker) keep(data []byte) {
	if (w.inName || w.inID) && len(w.token) <= maxWalkedID {
		w.token = append(w.token, data[:min(len(data), maxWalkedID+1-len(w.token))]...)
	}
}

func (w *walker) endName() {
	if w.inName {
		w.inName = false
		w.inID = string(w.token) == `"id"`
		w.inError = w.envelope == 1 && string(w.token) == `"error"`
		w.token = w.token[:0]
	}
}

// endID keeps the id whose value has ended.
func (w *walker) endID() {
	if w.inID && w.depth == w.envelope {
		w.inID = false
		if w.kept += len(w.token); len(w.ids) < maxWalkedIDs && w.kept <= maxWalkedBytes {
			w.ids = append(w.ids, bytes.Clone(bytes.TrimSpace(w.token)))
		}
		w.token = w.token[:0]
	}
}

// byte takes a byte outside of strings.
func (w *walker) byte(c byte) {
	if w.inError && c != ':' && c > ' ' { // where a value begins
		w.inError = false
		w.fail = w.fail || c != 'n'
	}
	switch c {
	case '"':
		w.inText = true
		w.inName = w.naming && w.depth == w.envelope
		w.naming = w.naming && !w.inName
		w.keep([]byte{c})
		return
	case '{', '[':
		if !w.begun {
			w.begun = true
			w.envelope = 1
			if c == '[' {
				w.envelope = 2
			}
		}
		w.depth++
		w.naming = w.naming || c == '{' && w.depth == w.envelope
	case '}', ']':
		w.endID()
		w.depth--
	case ',':
		w.endID()
		w.naming = w.depth == w.envelope
	case ':':
		return
	default:
		w.keep([]byte{c})
	}
}
