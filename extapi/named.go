package extapi

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
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

// name returns an answer, of one call or several, in which each error has an id. All else
// stays as it is, to the byte.
func (n naming) name(answer []byte) []byte {
	if !bytes.Contains(answer, errorMember) {
		return answer
	}
	body := bytes.TrimRight(answer, "\n")
	if body[0] != '[' {
		if named := n.nameOne(body, false); named != nil {
			return append(named, answer[len(body):]...)
		}
		return answer
	}
	out, found := make([]byte, 0, len(answer)+len(answer)/4), false
	for one := range elements(body) {
		named := n.nameOne(one, true)
		found = found || named != nil
		if named == nil {
			named = one
		}
		out = append(append(out, ','), named...)
	}
	if !found {
		return answer
	}
	out[0] = '['
	return append(append(out, ']'), answer[len(body):]...)
}

// nameOne returns an answer to one call with an id in its error, and tells the log; nil of
// one that has no error, or an error with data. The rpc server writes the error last.
func (n naming) nameOne(answer []byte, batch bool) []byte {
	var told struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	var call, failure []byte
	for name, value := range members(answer) {
		switch string(name) {
		case `"id"`:
			call = value
		case `"error"`:
			failure = value
		}
	}
	if !bytes.HasSuffix(answer, slices.Concat(failure, []byte("}"))) || json.Unmarshal(failure, &told) != nil || told.Data != nil {
		return nil
	}
	id := n.id(batch, told.Code)
	n.log.Debug("Answered with an error that no method made", slog.String("request_id", id), slog.String("call", clip(string(call))),
		slog.Int("code", told.Code), slog.String("told", clipTo(told.Message, loggedError)), slog.String("to", n.to))
	named := append(bytes.Clone(answer[:len(answer)-len("}}")]), `,"data":{"request":`...)
	return append(strconv.AppendQuote(named, id), "}}}"...)
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
		return HTTPRequestID(ctx)
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
