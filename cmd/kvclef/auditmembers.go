package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kvclef/kvclef/extapi/audit"
)

// auditMember is a member of a line of the log. Those of an object in it are
// named after both: checkpoint_seq. What lies deeper is JSON text.
type auditMember struct {
	name, text string
}

// auditMembers returns what a line has, in its order.
func auditMembers(line []byte) ([]auditMember, error) { return readMembers(line, "", nil) }

// readMembers reads the members of an object.
func readMembers(object []byte, prefix string, members []auditMember) ([]auditMember, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("an entry is not a JSON object: %w", errors.Join(err, errors.New(shown(fmt.Sprint(token)))))
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("reading an entry: %w", err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("reading an entry: %w", err)
		}
		full := prefix + fmt.Sprint(name)
		if value[0] == '{' && prefix == "" {
			if members, err = readMembers(value, full+"_", members); err != nil {
				return nil, err
			}
			continue
		}
		text := string(value)
		if value[0] == '"' {
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, fmt.Errorf("reading an entry: %w", err)
			}
		}
		members = append(members, auditMember{full, text})
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("reading an entry: %w", err)
	}
	return members, nil
}

// auditPage returns all members of an entry for people, one on a line.
func auditPage(record audit.Record) (string, error) {
	members, err := auditMembers(record.Raw)
	if err != nil {
		return "", err
	}
	const width = len("checkpoint_signature") // the longest name
	var b strings.Builder
	for _, member := range members {
		fmt.Fprintf(&b, "%-*s  %s", width, shown(member.name), shown(member.text))
		if ether := etherOf(member.text); member.name == "value" && ether != "" {
			fmt.Fprintf(&b, " wei (%s ether)", ether)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
