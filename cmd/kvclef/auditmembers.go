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
// named after both: checkpoint_seq.
type auditMember struct {
	name, text string
}

// auditMembers returns what a line has, in its order.
func auditMembers(line []byte) ([]auditMember, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("an entry is not a JSON object: %w", errors.Join(err, errors.New(shown(fmt.Sprint(token)))))
	}
	return readMembers(decoder, "", nil)
}

// readMembers reads up to the end of an object that has begun.
func readMembers(decoder *json.Decoder, prefix string, members []auditMember) ([]auditMember, error) {
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("reading an entry: %w", err)
		}
		value, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("reading an entry: %w", err)
		}
		full := prefix + fmt.Sprint(name)
		switch {
		case value == json.Delim('{') && prefix == "":
			if members, err = readMembers(decoder, full+"_", members); err != nil {
				return nil, err
			}
		case isDelim(value):
			return nil, fmt.Errorf("reading an entry: member %s is nested deeper than an entry's are", shown(full))
		default:
			members = append(members, auditMember{full, fmt.Sprint(value)})
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("reading an entry: %w", err)
	}
	return members, nil
}

func isDelim(token json.Token) bool {
	_, is := token.(json.Delim)
	return is
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
