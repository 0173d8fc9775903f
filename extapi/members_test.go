package extapi

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCheckMembers(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                        "",
		`{"a":1,"b":{"x":[1]}}`:     "",
		" \t\r\n{\"a\":1}":          "",
		`[]`:                        "", // left to the decoder
		`"a"`:                       "",
		`null`:                      "",
		`{"c":1}`:                   `unknown member "c": it would not be signed, remove it`,
		`{"A":1}`:                   `unknown member "A": it is spelled "a"`,
		`{"\u0061":1}`:              "",
		`{"a":1,"a":1}`:             `duplicate member "a": write it once`,
		`{"a":1,"\u0061":1}`:        `duplicate member "a": write it once`,
		`{"":1}`:                    `unknown member "": it would not be signed, remove it`,
		`{"K":1}`:                   `unknown member "K": it would not be signed, remove it`,
		`{"a":1`:                    "reading",
		`{"a":}`:                    "reading",
		`{"a" 1}`:                   "reading",
		`{"a":{"b":1,"b":2}}`:       "",                   // nested objects are checked on their own
		`{"z":1,"y":1,"a":1,"x":1}`: `unknown member "z"`, // the first: nothing after it is read
	} {
		err := checkMembers(json.RawMessage(text), "a", "b")
		if (want == "") != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestClip(t *testing.T) {
	if got := clip("short"); got != "short" {
		t.Errorf("clip is %q", got)
	}
	// A cut within a character leaves no half of it.
	if got := clip(strings.Repeat("é", 100)); len(got) > 70 || strings.Contains(got, "\uFFFD") {
		t.Errorf("clip is %q", got)
	}
	if got := clip("x" + strings.Repeat("é", 100)); strings.ToValidUTF8(got, "?") != got {
		t.Errorf("clip is %q", got)
	}
}
