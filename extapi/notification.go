package extapi

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// screened is what a listener hands to the rpc server instead of a message
// from the wire.
type screened struct {
	frame         []byte // one JSON value; empty when nothing is left to answer
	notifications int    // how many calls without an id were taken out
}

// screen takes the notifications out of a message or batch. A call without an
// id gets no answer, so its signature would serve nobody but would count; Clef
// signs it all the same.
//
// The frame is not the caller's bytes but a new message of the members that
// screen has judged, each once and by its exact name. So there is nothing that
// the rpc server could read differently. Values are copied as they are, hence
// a frame is never longer than its message.
//
// The message must be one valid JSON value. What is no request object stays as
// it is, for the rpc server to refuse in its own words.
func screen(message []byte, maxBatch int) (screened, error) {
	message = bytes.TrimLeft(message, " \t\r\n")
	switch {
	case len(message) == 0:
		return screened{}, nil
	case message[0] == '[':
		return screenBatch(message, maxBatch)
	default:
		frame, verdict, err := screenOne(message)
		switch {
		case err != nil:
			return screened{}, err
		case verdict == screenedNotification:
			return screened{notifications: 1}, nil
		case verdict == screenedResponse:
			return screened{}, nil
		}
		return screened{frame: frame}, nil
	}
}

// screenBatch screens each message of a batch. A batch above the limit keeps
// one message more than the limit, enough to be refused and no memory wasted.
func screenBatch(batch []byte, maxBatch int) (screened, error) {
	dec := json.NewDecoder(bytes.NewReader(batch))
	if _, err := dec.Token(); err != nil {
		return screened{}, fmt.Errorf("reading a batch: %w", err)
	}
	out := screened{frame: make([]byte, 0, len(batch))}
	elements, kept := 0, 0
	for ; dec.More() && elements <= maxBatch; elements++ {
		var message json.RawMessage
		if err := dec.Decode(&message); err != nil {
			return screened{}, fmt.Errorf("reading message %d of a batch: %w", elements, err)
		}
		frame, verdict, err := screenOne(message)
		if err != nil {
			return screened{}, err
		}
		switch verdict {
		case screenedNotification:
			out.notifications++
		case screenedResponse:
		default:
			out.frame = appendElement(out.frame, frame)
			kept++
		}
	}
	if kept == 0 && elements > 0 && elements <= maxBatch {
		return screened{notifications: out.notifications}, nil // nothing to answer, unlike []
	}
	for ; elements > maxBatch && kept < elements; kept++ {
		out.frame = appendElement(out.frame, []byte("0")) // keeps it too long
	}
	out.frame = append(appendOpening(out.frame), ']')
	return out, nil
}

// appendElement appends an element to a JSON array that is being written.
func appendElement(array, element []byte) []byte {
	if len(array) > 0 {
		return append(append(array, ','), element...)
	}
	return append(appendOpening(array), element...)
}

func appendOpening(array []byte) []byte {
	if len(array) == 0 {
		return append(array, '[')
	}
	return array
}

// screenVerdict is what a single message is.
type screenVerdict uint8

const (
	screenedInvalid      screenVerdict = iota // for the rpc server to refuse
	screenedCall                              // has an id and a method
	screenedNotification                      // a method and no id
	screenedResponse                          // an answer to a call that nobody made
)

// screenOne judges one message and writes it anew.
func screenOne(message []byte) ([]byte, screenVerdict, error) {
	if len(message) == 0 || message[0] != '{' {
		return message, screenedInvalid, nil
	}
	env, err := readEnvelope(message)
	if err != nil {
		return nil, screenedInvalid, err
	}
	if env.repeated {
		// Two ids or two methods: who reads which is anybody's guess.
		return []byte("null"), screenedInvalid, nil
	}
	return env.appendTo(make([]byte, 0, len(message)+1)), env.verdict(), nil
}
