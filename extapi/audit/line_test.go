package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func line(t testing.TB, last link, e Entry) []byte {
	t.Helper()
	body, err := encodeBody(e)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := appendLine(nil, last, steady(), body)
	return text
}

// The line is the entry's JSON with the hash at its end, as anybody can compute it.
func TestLineIsJSONWithItsHash(t *testing.T) {
	t.Parallel()
	listed, released := 3, true
	full := decision(1)
	full.Listed, full.Released = &listed, &released
	full.Checkpoint = &Checkpoint{Seq: 4, Head: zeroHash, Time: steady().In(time.FixedZone("x", 3600)), Key: "0x1", Signature: "0x2"}
	full.Hold = &Hold{ID: 7, Time: steady().In(time.FixedZone("x", 3600)), Charges: []Charge{
		{Counter: `daily "value"`, Slot: "nonce 1", Amount: strings.Repeat("9", 78), Expires: steady().In(time.FixedZone("x", 3600))}, {Counter: "<b>", Amount: "0", Expires: time.Unix(0, math.MaxInt64)},
	}}
	for _, e := range []Entry{{Event: EventStart}, decision(1), full} {
		text := strings.TrimSuffix(string(line(t, link{seq: 6, hash: strings.Repeat("a", 64)}, e)), "\n")
		var members map[string]any
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatal(err)
		}
		before, _, _ := strings.Cut(text, `,"hash":`)
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(before))); members["hash"] != want {
			t.Errorf("hash %v, want %s", members["hash"], want)
		}
		if members["seq"] != 7.0 || members["prev"] != strings.Repeat("a", 64) || members["time"] != "2026-11-25T19:30:00.123456789Z" {
			t.Errorf("chain members: %s", text)
		}
		got, hash, err := decodeLine([]byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		want := bounded(e)
		want.Seq, want.Prev, want.Time = 7, strings.Repeat("a", 64), steady()
		if !reflect.DeepEqual(got, want) || hash != members["hash"] {
			t.Errorf("read back: %+v, want %+v", got, want)
		}
	}
}

// Every text of an entry is bounded, whatever it is; a member that is added
// later and forgotten in bounded fails here.
func TestTextsAreBounded(t *testing.T) {
	t.Parallel()
	for name, evil := range map[string]string{
		"long":         strings.Repeat("x", 1<<20),
		"control":      strings.Repeat("\x01", 1<<16),
		"invalid":      strings.Repeat("\xff", 1<<16),
		"wide":         strings.Repeat("€", 1<<16),
		"cut in half":  strings.Repeat("x", boundName-4) + "€€€€",
		"surrogate":    strings.Repeat("\xed\xa0\x80", 1<<10),
		"line":         strings.Repeat("\u2028", 1<<16),
		"terminal":     strings.Repeat("\u009b31m", 100),
		"direction":    strings.Repeat("\u202e", 100),
		"delete":       strings.Repeat("\x7f", 30),
		"short broken": "ab\xffcd",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := Entry{Event: EventDecision, Checkpoint: &Checkpoint{}}
			for _, v := range []reflect.Value{reflect.ValueOf(&e).Elem(), reflect.ValueOf(e.Checkpoint).Elem()} {
				for i := range v.NumField() {
					if f := v.Field(i); f.Kind() == reflect.String && v.Type().Field(i).Name != "Event" && v.Type().Field(i).Name != "Proof" {
						f.SetString(evil)
					}
				}
			}
			text := line(t, beginning(), e)
			if len(text) > maxLine {
				t.Errorf("a line has %d bytes", len(text))
			}
			got, _, err := decodeLine(text[:len(text)-1])
			if err != nil {
				t.Fatal(err)
			}
			if bytes.ContainsAny(text, "\x7f\u009b\u202e") || !utf8.Valid(text) {
				t.Errorf("%.200q", text)
			}
			for _, v := range []reflect.Value{reflect.ValueOf(got), reflect.ValueOf(*got.Checkpoint)} {
				for i := range v.NumField() {
					f, field := v.Field(i), v.Type().Field(i).Name
					if f.Kind() != reflect.String || field == "Event" || field == "Prev" || field == "Proof" {
						continue
					}
					if s := f.String(); s == "" || len(s) > boundWhy || (len(evil) > boundWhy && !strings.HasSuffix(s, mark)) {
						t.Errorf("%s has %d bytes: %.80q", field, len(s), s)
					}
				}
			}
		})
	}
}

func TestUnknownEventIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, event := range []Event{"", "approved", "decision "} {
		if _, err := encodeBody(Entry{Event: event}); err == nil {
			t.Errorf("event %q was taken", event)
		}
	}
}

// A line with a right hash that kvclef would not have written is not one.
func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	good := strings.TrimSuffix(string(line(t, beginning(), decision(1))), "\n")
	before, _, _ := strings.Cut(good, `,"hash":`)
	sealed := resealed
	if sealed(before) != good {
		t.Fatal("the test does not seal as the log does")
	}
	for name, text := range map[string]string{
		"space":          sealed(before + " "),
		"space inside":   sealed(strings.Replace(before, `,"event"`, `, "event"`, 1)),
		"second member":  sealed(before + `,"reason":"other"`),
		"unknown member": sealed(before + `,"extra":1`),
		"empty member":   sealed(before + `,"error":""`),
		"case":           sealed(strings.Replace(before, `"event"`, `"Event"`, 1)),
		"escape":         sealed(strings.Replace(before, "decision", `\u0064ecision`, 1)),
		"order":          sealed(strings.Replace(before, `"chain_id":"1","nonce":"7"`, `"nonce":"7","chain_id":"1"`, 1)),
		"event":          sealed(strings.Replace(before, "decision", "decided", 1)),
		"time zone":      sealed(strings.Replace(before, `56789Z"`, `56789+00:00"`, 1)),
		"other zone":     sealed(strings.Replace(before, `56789Z"`, `56789+01:00"`, 1)),
		"entry 0":        sealed(strings.Replace(before, `"seq":1,`, `"seq":0,`, 1)),
		"second first":   sealed(strings.Replace(before, `"seq":1,`, `"seq":2,`, 1)),
		"first prev":     sealed(strings.Replace(before, zeroHash, strings.Repeat("a", 64), 1)),
		"prev":           sealed(strings.Replace(before, zeroHash, "", 1)),
		"float":          sealed(strings.Replace(before, `"seq":1,`, `"seq":1.0,`, 1)),
		"second object":  sealed(before + `}{"seq":1`),
		"upper hash":     before + `,"hash":"` + strings.ToUpper(good[len(good)-66:len(good)-2]) + `"}`,
		"no hash":        before + "}",
		"hash alone":     `,"hash":"` + zeroHash + `"}`,
		"empty":          "",
		"null":           "null",
	} {
		if e, _, err := decodeLine([]byte(text)); err == nil {
			t.Errorf("%s: taken as %+v", name, e)
		}
	}
}

// resealed puts the hash after a line's other members.
func resealed(text string) string {
	return fmt.Sprintf(`%s,"hash":"%x"}`, text, sha256.Sum256([]byte(text)))
}

func FuzzDecodeLine(f *testing.F) {
	whole := decision(1)
	whole.Whole = &Whole{Preimage: "0x12", TypedData: []byte(`{"a":["\u00e9",1]}`), Tags: map[string]string{"a": "b"}, Findings: []Finding{{Type: "Info"}}, Absent: []string{"data"}}
	f.Add(bytes.TrimSpace(line(f, beginning(), whole)))
	good := line(f, beginning(), decision(1))
	f.Add(good[:len(good)-1])
	f.Add(line(f, link{seq: 1, hash: strings.Repeat("b", 64)}, Entry{Event: EventStart, Note: "\x01\xff€"}))
	f.Add([]byte(`{"seq":1`))
	f.Fuzz(func(t *testing.T, text []byte) {
		// A wrong hash ends most inputs early: those are tried sealed as well.
		for _, text := range [][]byte{text, fmt.Appendf(nil, `%s,"hash":"%x"}`, text, sha256.Sum256(text))} {
			e, hash, err := decodeLine(text)
			if err != nil {
				continue
			}
			body, err := encodeBody(e)
			if err != nil {
				t.Fatalf("%q was read, and can't be written: %v", text, err)
			}
			again, at := appendLine(nil, link{seq: e.Seq - 1, hash: e.Prev}, e.Time, body)
			if string(again) != string(text)+"\n" || at.hash != hash || at.seq != e.Seq {
				t.Fatalf("%q was read, and is written as %q", text, again)
			}
		}
	})
}

// TestProofs: what an approver signed is kept whole, or the entry is refused.
func TestProofs(t *testing.T) {
	t.Parallel()
	for proof, good := range map[string]bool{
		`{"a":1}`:                       true,
		strings.Repeat("1", MaxProof):   true,
		strings.Repeat("1", MaxProof+1): false,
		"{\"a\":\"\n\"}":                false,
		"{\"a\":\"\u202e\"}":            false,
	} {
		if _, err := encodeBody(Entry{Event: EventVote, Proof: proof}); (err == nil) != good {
			t.Errorf("%.40q: %v", proof, err)
		}
	}
}
