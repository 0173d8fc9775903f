package relay

import (
	"bytes"
	"encoding/json"
)

// End is how an exchange ends.
type End uint8

// The ends.
const (
	Answers End = iota // the caller gets an answer
	Hangs              // it gets none, and the connection stays open
	Resets             // the connection is reset
	Cuts               // the connection ends in the middle of the answer; between messages over WebSocket
)

// Fault is what becomes of a request.
type Fault struct {
	Withheld bool   // the node does not see the request
	End      End    // how it ends, once the node has answered or was not asked
	Answer   string // what the caller gets for an answer; "" is the node's own. ID stands for the request's id
	Status   int    // of HTTP, with Answer; 0 is 200
}

// request is what a relay reads of one message.
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

// requests returns the calls of a message, of which there are several in a batch.
// One that is no JSON-RPC has none.
func requests(message []byte) (calls []request) {
	if message = bytes.TrimSpace(message); len(message) > 0 && message[0] == '[' {
		_ = json.Unmarshal(message, &calls) // what a node makes of it is the node's affair
		return calls
	}
	var one request
	if json.Unmarshal(message, &one) != nil {
		return nil
	}
	return []request{one}
}

// id is the id of the first call of a message, or of its answer.
func id(message []byte) string {
	calls := requests(message)
	if len(calls) == 0 {
		return "null"
	}
	return string(calls[0].ID)
}

// answer is what the caller gets to a request that the node answered with its own.
func (f Fault) answer(message, own []byte) []byte {
	if f.Answer == "" {
		return own
	}
	return bytes.ReplaceAll([]byte(f.Answer), []byte("ID"), []byte(id(message)))
}

// String names the fault.
func (f Fault) String() string {
	text := map[End]string{Answers: "answer", Hangs: "hang", Resets: "reset", Cuts: "cut"}[f.End]
	if f.Withheld {
		text += " of a node that was not asked"
	}
	return text
}
