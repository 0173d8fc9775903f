package extapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// checkMembers refuses a JSON object with a member that is not among allowed or
// that comes twice. encoding/json matches names without regard to case, drops
// unknown members and lets the last duplicate win, so that something else could
// be signed than what the caller wrote; Clef signs such requests. The error
// names the member. A value that is no object passes: its decoder refuses it in
// Clef's words.
func checkMembers(raw json.RawMessage, allowed ...string) error {
	_, err := strictMembers(raw, allowed...)
	return err
}

// strictMembers is checkMembers that returns the members found.
func strictMembers(raw json.RawMessage, allowed ...string) (map[string]json.RawMessage, error) {
	return readMembers(raw, func(name string) error {
		if !slices.Contains(allowed, name) {
			return unknownMember(name, allowed)
		}
		return nil
	})
}

// membersOf returns the members of a JSON object by their exact names. It
// refuses duplicates. A value that is no object has no members.
func membersOf(raw json.RawMessage) (map[string]json.RawMessage, error) {
	return readMembers(raw, func(string) error { return nil })
}

// readMembers is membersOf that stops at the first name that check refuses,
// before its value is read: megabytes of unknown members cost nothing.
func readMembers(raw json.RawMessage, check func(name string) error) (map[string]json.RawMessage, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	found := make(map[string]json.RawMessage)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("reading a member name: %w", err)
		}
		name, _ := token.(string)
		if err := check(name); err != nil {
			return nil, err
		}
		if _, twice := found[name]; twice {
			return nil, fmt.Errorf("duplicate member %q: write it once", clip(name))
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("reading member %q: %w", clip(name), err)
		}
		found[name] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("reading the end of an object: %w", err)
	}
	return found, nil
}

// unknownMember is the error of a member that would be dropped. A name that
// differs in case only is told its spelling.
func unknownMember(name string, allowed []string) error {
	for _, known := range allowed {
		if strings.EqualFold(name, known) {
			return fmt.Errorf("unknown member %q: it is spelled %q", clip(name), known)
		}
	}
	return fmt.Errorf("unknown member %q: it would not be signed, remove it", clip(name))
}

// isNull reports whether a member is absent or null.
func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(raw) == "null"
}

// clip shortens a name from the wire, so that an error stays readable.
func clip(name string) string { return clipTo(name, 64) }

// clipTo shortens a text to a number of bytes.
func clipTo(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}
