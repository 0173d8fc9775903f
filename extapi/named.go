package extapi

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strconv"
)

// naming gives ids to errors that the rpc server makes itself: no JSON, no such method,
// wrong parameters, no answer in time. Those of methods have theirs.
type naming struct {
	log *slog.Logger
	id  func(batch bool, code int) string // of the next error
	to  string                            // who is answered: the address, or by IPC the principal
}

// errorMember is how an answer with an error has it: in a text it would be escaped.
var errorMember = []byte(`,"error":{`)

// idBytes is about what an id adds to an error: a batch may have nothing but small ones.
const idBytes = len(`,"data":{"request":"ABCDEFGHIJKLMNOPQRSTUVWXYZ-12345"}`)

// name returns an answer, of one call or several, in which each error has an id. All else
// stays as it is, to the byte.
func (n naming) name(answer []byte) []byte {
	failures := bytes.Count(answer, errorMember)
	if failures == 0 {
		return answer
	}
	body := bytes.TrimRight(answer, "\n")
	out, found := make([]byte, 0, len(answer)+failures*idBytes), false
	batch := body[0] == '['
	if !batch {
		out, found = n.appendOne(out, body, false)
	} else {
		for one := range elements(body) {
			var is bool
			out, is = n.appendOne(append(out, ','), one, true)
			found = found || is
		}
	}
	if !found {
		return answer
	}
	if batch {
		out[0] = '['
		out = append(out, ']')
	}
	return append(out, answer[len(body):]...)
}

// appendOne appends an answer to one call, with an id in its error, which it tells the log. One that
// has no error, or an error with data, is appended as it is. The rpc server writes the error
// last.
func (n naming) appendOne(out, answer []byte, batch bool) (_ []byte, found bool) {
	call, code, message := failureOf(answer)
	if message == nil {
		return append(out, answer...), false
	}
	id := n.id(batch, code)
	if n.log.Enabled(context.Background(), slog.LevelDebug) {
		n.log.Debug("Answered with an error that no method made", slog.String("request_id", id), slog.String("call", clip(string(call))),
			slog.Int("code", code), slog.String("told", clipTo(text(message), loggedError)), slog.String("to", n.to))
	}
	out = append(append(out, answer[:len(answer)-len("}}")]...), `,"data":{"request":"`...)
	return append(append(out, id...), `"}}}`...), true // letters, digits and - need no escapes
}

// failureOf returns the id of a call, and the code and message, as JSON, of the error that its
// answer ends with; no message if there is none, or if it has data.
func failureOf(answer []byte) (call []byte, code int, message []byte) {
	if !bytes.HasSuffix(answer, []byte("}}")) || !bytes.Contains(answer, errorMember) {
		return nil, 0, nil // most results need not be walked
	}
	var failure []byte
	for name, value := range members(answer) {
		switch string(name) {
		case `"id"`:
			call = value
		case `"error"`:
			failure = value
		}
	}
	if len(failure) == 0 || failure[0] != '{' || !bytes.HasSuffix(answer[:len(answer)-1], failure) {
		return nil, 0, nil
	}
	for name, value := range members(failure) {
		switch string(name) {
		case `"code"`:
			var err error
			if code, err = strconv.Atoi(string(value)); err != nil {
				return nil, 0, nil
			}
		case `"message"`:
			message = value
		case `"data"`:
			return nil, 0, nil
		}
	}
	return call, code, message
}

// codeTimeout is what the rpc server tells of calls that it does not wait for any more.
const codeTimeout = -32002

// namingOfHTTP is that of a request over HTTP. The error of a single call has its id, those
// of a batch are numbered as its calls are. One that was not answered in time may have been
// decided under any of the numbers: it has the id that all begin with.
func namingOfHTTP(ctx context.Context, log *slog.Logger, remote string) naming {
	return naming{log: log, to: remote, id: func(batch bool, code int) string {
		if batch && code != codeTimeout {
			return nextID(ctx)
		}
		return OriginID(ctx)
	}}
}

// namingOfIPC is that of a connection by IPC, of which each error has an id of its own.
func namingOfIPC(log *slog.Logger, principal string) naming {
	return naming{log: log, to: principal, id: func(bool, int) string { return newRequestID() }}
}

// namedWriter gives the errors in an answer over HTTP their ids. The rpc server writes
// an answer at once, and its length before that.
type namedWriter struct {
	http.ResponseWriter
	naming naming
	named  bool // there was one
}

// Write writes an answer.
func (w *namedWriter) Write(answer []byte) (int, error) {
	named := w.naming.name(answer)
	if len(named) != len(answer) {
		w.named = true
		w.Header().Set("Content-Length", strconv.Itoa(len(named)))
	}
	if n, err := w.ResponseWriter.Write(named); err != nil {
		return min(n, len(answer)), err
	}
	return len(answer), nil
}

// Flush lets the rpc server send an answer before its call has ended.
func (w *namedWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() } // fails only on a closed connection

// Unwrap is for [http.ResponseController].
func (w *namedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
