package audit

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

// full is a request in full, near every bound.
func full() *Whole {
	return &Whole{
		Preimage: "0x" + strings.Repeat("ab", MaxWhole), TypedData: json.RawMessage(`"` + strings.Repeat("x", MaxWhole-2) + `"`),
		Tags: map[string]string{"purpose": "<é>", "b": ""}, Signature: "transfer(address,uint256)", Findings: []Finding{{Type: "WARNING", Message: strings.Repeat("\x01", maxWholeText-100)}},
		From: "0x1", To: "0x2", Absent: []string{"data", "chainId"}, BlobVersion: 1,
		Local: strings.Repeat("\x01", boundText), UserAgent: strings.Repeat("\x01", boundText), Origin: strings.Repeat("\x01", boundText),
	}
}

// A request in full is read back as it was, and the longest line is one that can
// be read.
func TestWholeRequests(t *testing.T) {
	t.Parallel()
	e := longest()
	e.Whole = full()
	e.Hold = &Hold{ID: math.MaxUint64, Time: steady(), Charges: make([]Charge, MaxHoldCharges)}
	for i := range e.Hold.Charges { // what is longest as JSON
		e.Hold.Charges[i] = Charge{Counter: strings.Repeat(`"`, MaxHoldText/MaxHoldCharges-9), Slot: strings.Repeat(`"`, 9), Amount: strings.Repeat("9", boundNumber), Expires: steady()}
	}
	if got := bounded(e).Whole; got.Omitted == "" {
		t.Errorf("a request is whole, and its principal is cut: %.300v", got)
	}
	// What else is cut is not of the request.
	e.Principal, e.Transport, e.Method, e.ContentType, e.Vault, e.Key, e.KeyVersion = "", "", "", "", "", "", ""
	text := line(t, beginning(), e)
	if len(text) >= maxLine || len(text) < maxLine/2 {
		t.Errorf("the longest line has %d bytes, which are bounded by %d", len(text), maxLine)
	}
	got, _, err := decodeLine(text[:len(text)-1])
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Whole, full()) {
		t.Errorf("read back: %.300v", got.Whole)
	}
	path := write(t, 2, Options{})
	l := open(t, path, Options{})
	appendAll(t, l, e, Entry{Event: EventStop})
	closeLog(t, l)
	if report := verify(t, path, VerifyOptions{}); report.Entries != 4 {
		t.Errorf("%+v", report)
	}
	closeLog(t, open(t, path, Options{}))
}

// longest is a decision with every text at its bound, of what is longest as JSON.
func longest() Entry {
	e := Entry{Event: EventDecision}
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String && v.Type().Field(i).Name != "Event" {
			f.SetString(strings.Repeat("\x01", 1<<13))
		}
	}
	e.Proof = strings.Repeat(`"`, MaxProof)
	return e
}

// What is more than an entry has, or could not be read back as it was, is left
// out, and never cut.
func TestWholeRequestsAreNeverCut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(w *Whole)
		want   string
	}{
		"preimage":   {func(w *Whole) { w.Preimage += "00" }, "has 32769 bytes"},
		"half":       {func(w *Whole) { w.Preimage += "0" }, "has 32768 bytes"},
		"not hex":    {func(w *Whole) { w.Preimage = "0x12\u202e12" }, "not written as it should be"},
		"typed data": {func(w *Whole) { w.TypedData = json.RawMessage(`"` + strings.Repeat("x", MaxWhole-1) + `"`) }, "has 32769 bytes"},
		"terminal":   {func(w *Whole) { w.TypedData = json.RawMessage("\"\u009b\"") }, "not written as it should be"},
		"new line":   {func(w *Whole) { w.TypedData = json.RawMessage("{\n}") }, "not written as it should be"},
		"not UTF-8":  {func(w *Whole) { w.Tags = map[string]string{"a\xff": "b"} }, "not plain"},
		"direction":  {func(w *Whole) { w.Tags = map[string]string{"a": "\u202e"} }, "not plain"},
		"long":       {func(w *Whole) { w.Signature = strings.Repeat("f", maxWholeText+1) }, "too long"},
		"much":       {func(w *Whole) { w.Signature = strings.Repeat("f", 200) }, "too much text"},
		"many":       {func(w *Whole) { w.Findings, w.Absent = nil, make([]string, maxWholeTexts) }, "too much text"},
	} {
		w := full()
		test.change(w)
		got := w.bounded()
		if !strings.Contains(got.Omitted, test.want) || !reflect.DeepEqual(got, &Whole{Omitted: got.Omitted}) || !reflect.DeepEqual(got.bounded(), got) {
			t.Errorf("%s: %.300v", name, got)
		}
	}
	for name, w := range map[string]*Whole{"full": full(), "nothing": {}, "left out": {Omitted: strings.Repeat("x", 1000)}} {
		once := w.bounded()
		if again := once.bounded(); !reflect.DeepEqual(again, once) || len(once.Omitted) > boundText {
			t.Errorf("%s: %.300v, and then %.300v", name, once, again)
		}
	}
	long := full()
	long.UserAgent = strings.Repeat("x", 1000)
	if got := long.bounded(); got.Omitted != "" || len(got.UserAgent) != boundText {
		t.Errorf("%.300v", got)
	}
}

// A line whose request is not spelled as the log spells it is not one.
func TestWholeRequestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	e := decision(1)
	e.Whole = &Whole{TypedData: json.RawMessage(`{"a":1}`), Tags: map[string]string{"a": "b", "c": "d"}}
	good := strings.TrimSuffix(string(line(t, beginning(), e)), "\n")
	before, _, _ := strings.Cut(good, `,"hash":`)
	if _, _, err := decodeLine([]byte(resealed(before))); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"space":   strings.Replace(before, `{"a":1}`, `{"a": 1}`, 1),
		"order":   strings.Replace(before, `"a":"b","c":"d"`, `"c":"d","a":"b"`, 1),
		"twice":   strings.Replace(before, `"a":"b","c":"d"`, `"a":"b","a":"b","c":"d"`, 1),
		"unknown": strings.Replace(before, `"tags":`, `"tag":{},"tags":`, 1),
		"letter":  strings.Replace(before, `{"a":1}`, "{\"\u00e9\":1}", 1),
		"text":    strings.Replace(before, `{"a":1}`, `{"a":1`, 1),
	} {
		if text == before {
			t.Fatalf("%s: nothing was changed", name)
		}
		if e, _, err := decodeLine([]byte(resealed(text))); err == nil {
			t.Errorf("%s: taken as %+v", name, e.Whole)
		}
	}
}
