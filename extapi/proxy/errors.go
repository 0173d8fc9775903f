package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Codes of JSON-RPC errors, as geth uses them.
const (
	codeParse    = -32700
	codeInvalid  = -32600
	codeUnknown  = -32601
	codeInternal = -32603
	codeFailed   = -32000
	codeLarge    = -32003
	codeBusy     = -32005
)

// wireError is an error as the caller is told it.
type wireError struct {
	code    int
	text    string
	data    any
	reason  string  // that geth's words don't tell, for the log and the data; "" for none
	outcome Outcome // of a call that is answered with it; "" is refused
}

// Error returns the text.
func (e *wireError) Error() string { return e.text }

// Outcome returns what became of a call that is answered with the error.
func (e *wireError) Outcome() Outcome {
	if e.outcome == "" {
		return OutcomeRefused
	}
	return e.outcome
}

// ErrorCode returns the JSON-RPC code.
func (e *wireError) ErrorCode() int { return e.code }

// Errors of requests, in geth's words where it has some.
var (
	errParse         = &wireError{code: codeParse, text: "parse error"}
	errEmptyBatch    = &wireError{code: codeInvalid, text: "empty batch"}
	errBatchTooLarge = &wireError{code: codeInvalid, text: "batch too large"}
	errInvalid       = &wireError{code: codeInvalid, text: "invalid request"}
	errInternal      = &wireError{code: codeInternal, text: "internal error", outcome: OutcomeError}
	errNoPush        = &wireError{code: codeUnknown, text: "notifications not supported"}
	errMixedPush     = &wireError{code: codeInvalid, text: "a subscription needs a WebSocket connection, and a message of its own"}
	errKeyInBatch    = &wireError{code: codeInvalid, text: "header Idempotency-Key is for one call, and the batch has several that the proxy answers: send them one by one"}
)

// Errors of the node. None names it: its address may hold a credential.
var (
	errNodeDown    = &wireError{code: codeFailed, text: "the node can't be reached", outcome: OutcomeUnreachable}
	errNodeSlow    = &wireError{code: codeFailed, text: "the node did not answer in time", outcome: OutcomeTimeout}
	errNodeCut     = &wireError{code: codeFailed, text: "the node closed the connection before its answer was complete", outcome: OutcomeUnreachable}
	errNodeGarbage = &wireError{code: codeFailed, text: "the node's answer is not JSON-RPC", outcome: OutcomeInvalid}
	errNodeOmitted = &wireError{code: codeFailed, text: "the node left this call out of its answer", outcome: OutcomeInvalid}
	errNodeLarge   = &wireError{code: codeLarge, text: "response too large", outcome: OutcomeWithheld}
	errHeld        = &wireError{code: codeBusy, text: "too many large answers are on their way: try again later", outcome: OutcomeWithheld}
	errNodeBusy    = &wireError{code: codeBusy, text: "too many calls to the node are under way, of this caller or of all together: try again later", outcome: OutcomeRefused}
	errHungUp      = &wireError{code: codeFailed, text: "the caller hung up", outcome: OutcomeCanceled}
)

func errNodeStatus(status int) *wireError {
	return &wireError{code: codeFailed, text: fmt.Sprintf("the node answered HTTP %d", status), outcome: OutcomeInvalid}
}

// Why a method is not passed on.
const (
	reasonBarred  = "kvclef does not pass it on to the node: proxy.allow of its configuration does"
	reasonDenied  = "proxy.deny of kvclef's configuration takes it away"
	reasonSpelled = "kvclef answers it, in its own spelling alone"
)

// errUnknownMethod is the error of a method that is not passed on, in geth's words: clients
// know those.
func errUnknownMethod(name []byte, reason string) *wireError {
	return &wireError{code: codeUnknown, text: fmt.Sprintf("the method %s does not exist/is not available", name), reason: reason}
}

// toldOf returns the error of a method as the caller is told it.
func toldOf(err error) *wireError {
	told := &wireError{code: codeFailed, text: err.Error(), outcome: OutcomeError}
	var coded interface{ ErrorCode() int }
	if errors.As(err, &coded) {
		told.code = coded.ErrorCode()
	}
	var detailed interface{ ErrorData() any }
	if errors.As(err, &detailed) {
		told.data = detailed.ErrorData()
	}
	var known interface{ Outcome() Outcome }
	if errors.As(err, &known) {
		told.outcome = known.Outcome()
	}
	return told
}

// answerID is the id that an answer carries.
func answerID(id []byte) []byte {
	if id == nil {
		return []byte("null")
	}
	return id
}

// resultAnswer is the answer to a call that went well.
func resultAnswer(id, result []byte) []byte {
	out := make([]byte, 0, len(id)+len(result)+40)
	out = append(append(out, `{"jsonrpc":"2.0","id":`...), answerID(id)...)
	out = append(append(out, `,"result":`...), result...)
	return append(out, '}')
}

// errorAnswer is the answer to a call that failed.
func errorAnswer(id []byte, err *wireError) []byte {
	body, failure := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{err.code, err.text, err.data})
	if failure != nil {
		return errorAnswer(id, errInternal)
	}
	out := make([]byte, 0, len(id)+len(body)+40)
	out = append(append(out, `{"jsonrpc":"2.0","id":`...), answerID(id)...)
	out = append(append(out, `,"error":`...), body...)
	return append(out, '}')
}

// reply is the answer to one call, with what became of it. The text of one to a
// notification is nil.
type reply struct {
	text    []byte
	outcome Outcome
	err     *wireError // why there is no answer of the node: the text has it without an id, and is to be made anew. nil: the text is what the caller gets
}

// failed is the reply to a call that the node has not answered, or not so that it can be passed on.
func failed(id []byte, err *wireError) reply { return reply{errorAnswer(id, err), err.Outcome(), err} }

// joinReplies makes one body of the replies that have a text, nil of none.
func joinReplies(replies []reply, batch bool) []byte {
	answers := make([][]byte, len(replies))
	for i := range replies {
		answers[i] = replies[i].text
	}
	return joinAnswers(answers, batch)
}

// failCalls answers every call that waits with one error, as a batch or single
// call is answered; nil if none waits.
func failCalls(calls []message, batch bool, err *wireError) []byte {
	answers := make([][]byte, len(calls))
	for i := range calls {
		if !calls[i].notification() {
			answers[i] = errorAnswer(calls[i].id, err)
		}
	}
	return joinAnswers(answers, batch)
}

// joinAnswers makes one body of the answers that there are, nil of none.
func joinAnswers(answers [][]byte, batch bool) []byte {
	if !batch {
		return answers[0]
	}
	size := 1
	for _, answer := range answers {
		size += len(answer) + 1
	}
	var out []byte
	for _, answer := range answers {
		if answer == nil {
			continue
		}
		separator := byte(',')
		if out == nil {
			separator = '['
			out = make([]byte, 0, size)
		}
		out = append(append(out, separator), answer...)
	}
	if out == nil {
		return nil
	}
	return append(out, ']')
}
