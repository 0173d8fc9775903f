package extapi

// envelope is the members of a JSON-RPC message, as raw JSON, nil when absent.
type envelope struct {
	version, id, method, params []byte
	answer                      bool // has a result or an error
	repeated                    bool // has one of these members twice
}

// readEnvelope reads the members of an object that is valid JSON. Names are
// exact, as the rpc package reads them: "ID" is an unknown member.
func readEnvelope(object []byte) envelope {
	var env envelope
	for name, value := range members(object) {
		switch text(name) {
		case "jsonrpc":
			env.set(&env.version, value)
		case "id":
			env.set(&env.id, value)
		case "method":
			env.set(&env.method, value)
		case "params":
			env.set(&env.params, value)
		case "result", "error":
			env.answer = true
		}
	}
	return env
}

func (e *envelope) set(member *[]byte, value []byte) {
	e.repeated = e.repeated || *member != nil
	*member = value
}

// verdict says what the message is, by the rules of the rpc package: an id of
// null is an id, one that is an object or array makes no call.
func (e *envelope) verdict() screenVerdict {
	switch {
	case text(e.version) != "2.0":
		return screenedInvalid
	case e.id == nil && text(e.method) != "":
		return screenedNotification
	case e.id == nil, e.id[0] == '{', e.id[0] == '[':
		return screenedInvalid
	case text(e.method) != "":
		return screenedCall
	case e.params == nil && e.answer:
		return screenedResponse
	default:
		return screenedInvalid
	}
}

// appendTo appends the message in its one canonical spelling.
func (e *envelope) appendTo(buf []byte) []byte {
	separator := byte('{')
	for _, member := range []struct {
		name  string
		value []byte
	}{{`"jsonrpc":`, e.version}, {`"id":`, e.id}, {`"method":`, e.method}, {`"params":`, e.params}} {
		if member.value == nil {
			continue
		}
		buf = append(append(append(buf, separator), member.name...), member.value...)
		separator = ','
	}
	if separator == '{' {
		buf = append(buf, '{')
	}
	return append(buf, '}')
}
