package extapi

import "bytes"

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
func screen(message []byte, maxBatch int) screened {
	message = skipSpace(message)
	switch {
	case len(message) == 0:
		return screened{}
	case message[0] == '[':
		return screenBatch(message, maxBatch)
	}
	switch frame, verdict := screenOne(message); verdict {
	case screenedNotification:
		return screened{notifications: 1}
	case screenedResponse:
		return screened{}
	default:
		return screened{frame: frame}
	}
}

// screenBatch screens each message of a batch.
func screenBatch(batch []byte, maxBatch int) screened {
	count := 0
	for range elements(batch) {
		if count++; count > maxBatch {
			return screened{frame: tooLong(batch, maxBatch)}
		}
	}
	var out screened
	frame := append(make([]byte, 0, len(batch)+1), '[')
	for message := range elements(batch) {
		switch one, verdict := screenOne(message); verdict {
		case screenedNotification:
			out.notifications++
		case screenedResponse:
		default:
			frame = append(append(frame, one...), ',')
		}
	}
	if len(frame) == 1 && count > 0 {
		return out // nothing to answer, unlike []
	}
	out.frame = append(bytes.TrimSuffix(frame, []byte(",")), ']')
	return out
}

// tooLong returns a batch that is just above the limit. The rpc server refuses
// it with the id of the first call, and needs no memory for the rest.
func tooLong(batch []byte, maxBatch int) []byte {
	first := []byte("0")
	for message := range elements(batch) {
		if one, verdict := screenOne(message); verdict == screenedCall {
			first = one
			break
		}
	}
	frame := append([]byte("["), first...)
	frame = append(frame, bytes.Repeat([]byte(",0"), maxBatch)...)
	return append(frame, ']')
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
func screenOne(message []byte) ([]byte, screenVerdict) {
	if message[0] != '{' {
		return message, screenedInvalid
	}
	env := readEnvelope(message)
	if env.repeated {
		// Two ids or two methods: who reads which is anybody's guess.
		return []byte("null"), screenedInvalid
	}
	return env.appendTo(make([]byte, 0, len(message)+1)), env.verdict()
}
