package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// claims are what a verified token says, by their exact names.
type claims map[string]json.RawMessage

func readClaims(payload []byte) (claims, error) {
	var all claims
	if err := json.Unmarshal(payload, &all); err != nil || all == nil {
		return nil, errors.New("the claims of the token are no JSON object")
	}
	return all, nil
}

// text returns a claim that is a text, "" if it is not there or no text.
func (c claims) text(name string) string {
	var value string
	if json.Unmarshal(c[name], &value) != nil {
		return ""
	}
	return value
}

// lists reports whether a claim is a text, or a list of texts that has it.
func (c claims) lists(name, text string) bool {
	if raw := bytes.TrimSpace(c[name]); len(raw) == 0 || raw[0] != '[' {
		return c.text(name) == text && text != ""
	}
	var all []string
	return json.Unmarshal(c[name], &all) == nil && slices.Contains(all, text)
}

// lastSecond is the end of the year 9999, which bounds every time.
const lastSecond = 253402300799

// time returns a claim that is a time in seconds since 1970; the zero time if it is
// not there. One that is no such time is an error: it might have been a bound.
func (c claims) time(name string) (time.Time, error) {
	raw, there := c[name]
	if !there {
		return time.Time{}, nil
	}
	var seconds *float64
	if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil || *seconds < 1 || *seconds > lastSecond {
		return time.Time{}, errors.New("the claim " + name + " of the token is no time")
	}
	whole := int64(*seconds)
	return time.Unix(whole, int64((*seconds-float64(whole))*1e9)), nil
}

// times are the bounds of a token; the zero time is none.
type times struct{ issued, begins, ends time.Time }

func (c claims) times() (times, error) {
	issued, err1 := c.time("iat")
	begins, err2 := c.time("nbf")
	ends, err3 := c.time("exp")
	return times{issued, begins, ends}, errors.Join(err1, err2, err3)
}

// check tells whether it is within the bounds. The one who asks says for how long
// after its end a token counts.
func (t times) check(now time.Time, grace time.Duration) error {
	switch {
	case !t.ends.IsZero() && !now.Before(t.ends.Add(grace)):
		return errors.New("the token has expired")
	case t.begins.After(now.Add(leeway)):
		return errors.New("the token is not valid yet")
	case t.issued.After(now.Add(leeway)):
		return errors.New("the token was issued in the future: compare the clocks")
	}
	return nil
}
