package extapi

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
)

// naming gives ids to errors that the rpc server makes itself: no JSON, no such method,
// wrong parameters, no answer in time. Those of methods have theirs.
type naming struct {
	log *slog.Logger
	new func() string // the id of an error
	to  string        // who is answered: the address, or by IPC the principal
}

// wireAnswer is an answer of the rpc server, with its members in their order.
type wireAnswer struct {
	Version json.RawMessage `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
}

// errorMember is how an answer with an error has it: in a text it would be escaped.
var errorMember = []byte(`,"error":{`)

// name returns an answer, of one call or several, in which each error has an id. What
// is no such answer is returned as it is.
func (n naming) name(answer []byte) []byte {
	if !bytes.Contains(answer, errorMember) {
		return answer
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	var err error
	if answer[0] != '[' {
		var one wireAnswer
		if json.Unmarshal(answer, &one) != nil || !n.nameOne(&one) {
			return answer
		}
		err = encoder.Encode(one)
	} else {
		var all []wireAnswer
		if json.Unmarshal(answer, &all) != nil || !n.nameAll(all) {
			return answer
		}
		err = encoder.Encode(all)
	}
	if err != nil {
		return answer
	}
	if !bytes.HasSuffix(answer, []byte("\n")) {
		out.Truncate(out.Len() - 1)
	}
	return out.Bytes()
}

// nameAll puts an id into each error without data.
func (n naming) nameAll(answers []wireAnswer) (named bool) {
	for i := range answers {
		named = n.nameOne(&answers[i]) || named
	}
	return named
}

// nameOne puts an id into an error without data, and tells the log.
func (n naming) nameOne(answer *wireAnswer) bool {
	var told struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if answer.Error == nil || json.Unmarshal(answer.Error, &told) != nil || told.Data != nil {
		return false
	}
	id := n.new()
	answer.Error = withData(answer.Error, id)
	n.log.Debug("Answered with an error that no method made", slog.String("request_id", id), slog.Int("code", told.Code),
		slog.String("told", clip(told.Message)), slog.String("to", n.to))
	return true
}

// withData is an error without data, an object, with the id of its request.
func withData(object []byte, id string) json.RawMessage {
	out := bytes.Clone(bytes.TrimRight(object, " \n"))
	out = append(out[:len(out)-1], `,"data":{"request":`...)
	return append(strconv.AppendQuote(out, id), "}}"...)
}

// namingOfHTTP is that of a request over HTTP, whose id they have.
func namingOfHTTP(ctx context.Context, log *slog.Logger, remote string) naming {
	return naming{log: log, new: func() string { return HTTPRequestID(ctx) }, to: remote}
}

// namingOfIPC is that of a connection by IPC, of which each error has an id of its own.
func namingOfIPC(log *slog.Logger, principal string) naming {
	return naming{log: log, new: newRequestID, to: principal}
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
