package proxy

import (
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// maxID bounds the id of a call, in bytes: it comes back with the answer.
const maxID = 256

// message is one call as it came. Its parts point into it.
type message struct {
	raw     []byte // the whole value
	id      []byte // JSON; nil if absent, or unfit to be told back
	idAt    int    // where id is in raw
	method  []byte // its name, without quotes
	params  []byte // JSON; nil if absent
	version []byte // JSON; nil if absent
	fault   string // why it is no call that can be judged, "" if it is one
}

// attr is the method for the log.
func (m *message) attr() slog.Attr { return slog.String("method", clip(string(m.method))) }

// notification reports whether nobody waits for an answer.
func (m *message) notification() bool { return m.fault == "" && m.id == nil }

// splice returns a copy of data with n bytes at an offset replaced.
func splice(data []byte, at, n int, by []byte) []byte {
	out := make([]byte, 0, len(data)-n+len(by))
	out = append(append(out, data[:at]...), by...)
	return append(out, data[at+n:]...)
}

// readMessages reads one call, or a batch of at most maxBatch. An error is the
// only answer that the body gets; with it comes the first call if there is one.
func readMessages(body []byte, maxBatch int) (calls []message, batch bool, err *wireError) {
	if !utf8.Valid(body) {
		return nil, false, errParse
	}
	s := &scanner{data: body}
	if batch = s.take('['); !batch || !s.take(']') {
		for {
			if batch && len(calls) == maxBatch {
				return calls[:1], true, errBatchTooLarge
			}
			m, ok := s.message()
			if !ok {
				return nil, batch, s.refusal()
			}
			calls = append(calls, m)
			if !batch || !s.take(',') {
				break
			}
		}
		if batch && !s.take(']') {
			return nil, true, errParse
		}
	}
	switch {
	case s.peek() != 0 || s.at < len(body):
		return nil, batch, errParse
	case len(calls) == 0:
		return nil, true, errEmptyBatch
	default:
		return calls, batch, nil
	}
}

// current reports whether the call is of JSON-RPC 2.0.
func (m *message) current() bool { return string(m.version) == `"2.0"` }

// refusal says why the scanner stopped.
func (s *scanner) refusal() *wireError {
	if s.deep {
		return &wireError{code: codeInvalid, text: fmt.Sprintf("message is nested deeper than %d levels", maxDepth)}
	}
	return errParse
}

// message consumes one value and reads it as a call. False: it is no JSON, or
// nested too deep.
func (s *scanner) message() (m message, ok bool) {
	s.depth = maxDepth - 2 // less the batch and the call
	if s.peek() != '{' {
		m.raw, ok = s.value()
		m.fault = "invalid request"
		return m, ok
	}
	start := s.at
	s.at++
	for end := s.take('}'); !end; {
		name, value, ok := s.pair()
		if !ok {
			return m, false
		}
		m.set(name, value, s.at-len(value)-start)
		if end = s.take('}'); !end && !s.take(',') {
			return m, false
		}
	}
	m.raw = s.data[start:s.at]
	m.judge()
	return m, true
}

// set takes a member's value. Decoders differ in whether case matters, which of
// two values wins and what an unknown member means; so each name is exact, comes
// once, and has no company.
func (m *message) set(name, value []byte, at int) {
	twice := false
	switch string(name) {
	case `"jsonrpc"`:
		twice = m.version != nil
		m.version = value
	case `"id"`:
		twice = m.id != nil
		m.id, m.idAt = value, at
	case `"method"`:
		twice = m.method != nil
		m.method = value
	case `"params"`:
		twice = m.params != nil
		m.params = value
	default:
		m.blame("unknown member %s: a call has jsonrpc, id, method and params", name)
	}
	if twice {
		m.blame("duplicate member %s: write it once", name)
	}
}

// judge says whether all members are there and can mean one thing only.
func (m *message) judge() {
	switch {
	case len(m.id) > 0 && (m.id[0] == '{' || m.id[0] == '['):
		m.id = nil
		m.blame("%s", "id is neither a string nor a number")
	case len(m.id) > maxID:
		m.id = nil
		m.blame("id has more than %d bytes", maxID)
	}
	if len(m.method) < 2 || m.method[0] != '"' {
		m.blame("%s", "invalid request: it has no method")
		return
	}
	m.method = m.method[1 : len(m.method)-1]
	if !plainMethod(m.method) {
		m.blame("method is not 1 to %d characters of printable ASCII without escapes", maxMethod)
	}
}

// blame keeps the first fault.
func (m *message) blame(format string, arg any) {
	if m.fault != "" {
		return
	}
	if text, ok := arg.([]byte); ok {
		arg = clip(string(text))
	}
	m.fault = fmt.Sprintf(format, arg)
}

// clip shortens a text from the wire, so that an error stays readable.
func clip(text string) string { return clipTo(text, 64) }

// clipTo shortens a text to a number of bytes.
func clipTo(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}
