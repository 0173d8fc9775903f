package wallet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// codeInvalidParams is JSON-RPC's code for parameters that are not what a method
// takes.
const codeInvalidParams = -32602

// paramsError is an error about parameters. It implements rpc.Error.
type paramsError struct{ text string }

// Error returns the text.
func (e *paramsError) Error() string { return e.text }

// ErrorCode returns the JSON-RPC code.
func (e *paramsError) ErrorCode() int { return codeInvalidParams }

func invalid(format string, args ...any) error { return &paramsError{fmt.Sprintf(format, args...)} }

// maxArgs is how many parameters are looked at. No method has as many.
const maxArgs = 16

var errNoArray = errors.New("the parameters are no array")

// positional returns the parameters, of which there must be least to most. Nulls at
// the end are as good as none.
func positional(params json.RawMessage, least, most int) ([]json.RawMessage, error) {
	args, err := firstOf(params)
	if err != nil {
		return nil, invalid("non-array args")
	}
	for len(args) > least && len(args) < maxArgs && string(args[len(args)-1]) == "null" {
		args = args[:len(args)-1]
	}
	switch {
	case len(args) < least, least > 0 && string(args[least-1]) == "null":
		return nil, invalid("missing value for required argument %d", min(len(args), least-1))
	case len(args) > most:
		return nil, invalid("too many arguments, want at most %d", most)
	}
	return args, nil
}

// argument decodes a parameter.
func argument(args []json.RawMessage, i int, to any) error {
	if string(args[i]) == "null" {
		return invalid("missing value for required argument %d", i)
	}
	if err := json.Unmarshal(args[i], to); err != nil {
		return invalid("invalid argument %d: %v", i, err)
	}
	return nil
}

// firstOf returns the first elements of an array, at most maxArgs: there may be very
// many.
func firstOf(params json.RawMessage) (first []json.RawMessage, err error) {
	if len(params) == 0 || string(params) == "null" {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(params))
	if open, err := decoder.Token(); err != nil || open != json.Delim('[') {
		return nil, errNoArray
	}
	for len(first) < maxArgs && decoder.More() {
		var arg json.RawMessage
		if err := decoder.Decode(&arg); err != nil {
			return nil, err
		}
		first = append(first, arg)
	}
	return first, nil
}
