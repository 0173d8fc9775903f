package proxy

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReadMessages(t *testing.T) {
	long := strings.Repeat("m", maxMethod)
	for name, c := range map[string]struct {
		body   string
		method string // of the first call, when it has no fault
		fault  string // of the first call
		err    string // of the body
	}{
		"call":                  {body: `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00"]}]}`, method: "eth_call"},
		"spaced":                {body: " \r\n\t{ \"method\" : \"m\" , \"id\" : \"x\" } \n", method: "m"},
		"notification":          {body: `{"method":"m"}`, method: "m"},
		"no version":            {body: `{"id":1,"method":"m"}`, method: "m"},
		"longest name":          {body: `{"id":1,"method":"` + long + `"}`, method: long},
		"batch":                 {body: `[{"id":1,"method":"m"},{"id":2,"method":"n"}]`, method: "m"},
		"batch with a number":   {body: `[1,{"id":2,"method":"n"}]`, fault: "invalid request"},
		"scalar":                {body: `"m"`, fault: "invalid request"},
		"no method":             {body: `{"id":1}`, fault: "invalid request: it has no method"},
		"empty object":          {body: `{}`, fault: "invalid request: it has no method"},
		"method null":           {body: `{"id":1,"method":null}`, fault: "invalid request: it has no method"},
		"method object":         {body: `{"id":1,"method":{"a":1}}`, fault: "invalid request: it has no method"},
		"method empty":          {body: `{"id":1,"method":""}`, fault: "method is not"},
		"method too long":       {body: `{"id":1,"method":"` + long + `m"}`, fault: "method is not"},
		"method with escape":    {body: `{"id":1,"method":"eth\u005fsign"}`, fault: "method is not"},
		"method with NUL":       {body: `{"id":1,"method":"eth_sign\u0000"}`, fault: "method is not"},
		"method with surrogate": {body: `{"id":1,"method":"eth_sign\ud800"}`, fault: "method is not"},
		"method with space":     {body: `{"id":1,"method":"eth_sign "}`, fault: "method is not"},
		"method not ASCII":      {body: `{"id":1,"method":"eth_ſign"}`, fault: "method is not"},
		"two methods":           {body: `{"id":1,"method":"a","method":"b"}`, fault: `duplicate member "method"`},
		"two ids":               {body: `{"id":1,"id":2,"method":"a"}`, fault: `duplicate member "id"`},
		"two params":            {body: `{"params":[],"id":1,"params":[],"method":"a"}`, fault: `duplicate member "params"`},
		"two versions":          {body: `{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"a"}`, fault: `duplicate member "jsonrpc"`},
		"other case":            {body: `{"id":1,"method":"a","Method":"b"}`, fault: `unknown member "Method"`},
		"long s":                {body: `{"id":1,"method":"a","paramſ":[]}`, fault: `unknown member "paramſ"`},
		"escaped name":          {body: `{"id":1,"method":"a","m\u0065thod":"b"}`, fault: `unknown member "m\u0065thod"`},
		"result":                {body: `{"id":1,"method":"a","result":1}`, fault: `unknown member "result"`},
		"id object":             {body: `{"id":{},"method":"a"}`, fault: "id is neither"},
		"id too long":           {body: `{"id":"` + strings.Repeat("i", maxID) + `","method":"a"}`, fault: "id has more than"},
		"empty":                 {body: ``, err: "parse error"},
		"cut":                   {body: `{"id":1,"method":"a"`, err: "parse error"},
		"more after it":         {body: `{"id":1,"method":"a"}{"id":2,"method":"b"}`, err: "parse error"},
		"NUL after it":          {body: "{\"id\":1,\"method\":\"a\"}\x00", err: "parse error"},
		"NUL within":            {body: "{\"id\":1,\x00\"method\":\"a\"}", err: "parse error"},
		"comma at the end":      {body: `{"id":1,"method":"a",}`, err: "parse error"},
		"comma in a batch":      {body: `[{"id":1,"method":"a"},]`, err: "parse error"},
		"comment":               {body: `{"id":1,"method":"a"}//`, err: "parse error"},
		"single quotes":         {body: `{'id':1,"method":"a"}`, err: "parse error"},
		"NaN":                   {body: `{"id":NaN,"method":"a"}`, err: "parse error"},
		"leading zero":          {body: `{"id":01,"method":"a"}`, err: "parse error"},
		"bare dot":              {body: `{"id":1.,"method":"a"}`, err: "parse error"},
		"raw newline in text":   {body: "{\"id\":\"\n\",\"method\":\"a\"}", err: "parse error"},
		"bad escape":            {body: `{"id":"\x","method":"a"}`, err: "parse error"},
		"bad hex":               {body: `{"id":"\u00g0","method":"a"}`, err: "parse error"},
		"bad UTF-8":             {body: "{\"id\":1,\"method\":\"a\",\"params\":[\"\xff\"]}", err: "parse error"},
		"coded surrogate":       {body: "{\"id\":1,\"method\":\"a\",\"params\":[\"\xed\xa0\x80\"]}", err: "parse error"},
		"byte order mark":       {body: "\ufeff{\"id\":1,\"method\":\"a\"}", err: "parse error"},
		"mismatched":            {body: `{"id":1,"method":"a","params":[}]`, err: "parse error"},
		"empty batch":           {body: `[ ]`, err: "empty batch"},
		"large batch":           {body: `[{"id":1,"method":"a"},{"id":1,"method":"a"},{"id":1,"method":"a"},{"id":1,"method":"a"}]`, err: "batch too large"},
		"deep":                  {body: `{"id":1,"method":"a","params":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, err: "nested deeper than 128"},
		"endlessly deep":        {body: strings.Repeat(`{"id":`, 1<<20), err: "nested deeper than 128"},
		"as deep as may be":     {body: `{"id":1,"method":"a","params":` + strings.Repeat("[", 126) + strings.Repeat("]", 126) + `}`, method: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			calls, _, err := readMessages([]byte(c.body), 3)
			switch {
			case err != nil && (c.err == "" || !strings.Contains(err.text, c.err)):
				t.Fatalf("got %v", err)
			case err != nil:
				return
			case c.err != "":
				t.Fatalf("was taken: %+v", calls)
			case c.fault != "" && !strings.Contains(calls[0].fault, c.fault), c.fault == "" && calls[0].fault != "":
				t.Errorf("fault %q", calls[0].fault)
			case c.fault == "" && string(calls[0].method) != c.method:
				t.Errorf("method %q", calls[0].method)
			}
		})
	}
}

// wireMessage is a message as geth's rpc package decodes it.
type wireMessage struct {
	Version string          `json:"jsonrpc,omitempty"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
}

// FuzzMessages compares what is judged with what geth's node decodes.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"a":[1,-0.5e+3,true,false,null,"\u00e9"]}]}`,
		`[{"id":1,"method":"m"},{"id":"2","method":"n","params":{}}]`, `{"id":1,"method":"a","Method":"b"}`,
		`{"method":"m","id":1.0}`, `[1,null,{}]`, ` [ ] `, `[[]]`, `{"id":{},"method":"a"}`, `{"method":"a\u0062"}`, "{\"method\":\"\x00\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		calls, batch, refusal := readMessages(body, 1000)
		valid := json.Valid(body) && utf8.Valid(body)
		if refusal == errParse && valid {
			t.Fatal("valid JSON was refused")
		}
		if refusal != nil {
			return
		}
		if !valid {
			t.Fatal("text that is no JSON was taken")
		}
		raw := []json.RawMessage{body}
		if batch {
			raw = nil // its bytes would be overwritten
			if err := json.Unmarshal(body, &raw); err != nil {
				t.Fatal(err)
			}
		}
		if len(raw) != len(calls) {
			t.Fatalf("%d calls, not %d", len(calls), len(raw))
		}
		for i := range calls {
			m := &calls[i]
			if m.fault != "" {
				continue
			}
			var node wireMessage
			if err := json.Unmarshal(raw[i], &node); err != nil && m.current() {
				t.Fatalf("%s: geth reads %v", raw[i], err)
			}
			if node.Method != string(m.method) || !bytes.Equal(node.ID, m.id) || !bytes.Equal(node.Params, m.params) {
				t.Fatalf("%s: geth reads %+v, not %+v", raw[i], node, m)
			}
			if m.id != nil && !bytes.Equal(m.raw[m.idAt:m.idAt+len(m.id)], m.id) {
				t.Fatalf("%s: the id is not at %d", raw[i], m.idAt)
			}
		}
		if slices.ContainsFunc(calls, func(m message) bool { return m.fault != "" }) {
			return // it isn't sent
		}
		fresh := mustMessages(t, renumbered(calls, 7))
		if len(fresh) != len(calls) {
			t.Fatalf("%d calls were sent as %d", len(calls), len(fresh))
		}
		for i := range calls {
			want := strconv.Itoa(7 + i)
			if calls[i].id == nil {
				want = ""
			}
			if string(fresh[i].id) != want || !bytes.Equal(fresh[i].method, calls[i].method) || !bytes.Equal(fresh[i].params, calls[i].params) {
				t.Fatalf("%s was sent as %s", calls[i].raw, fresh[i].raw)
			}
		}
	})
}

func mustMessages(t *testing.T, body []byte) []message {
	t.Helper()
	calls, _, err := readMessages(body, 1000)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return calls
}

func BenchmarkReadMessages(b *testing.B) {
	for name, body := range map[string]string{
		"small": `{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`,
		"large": `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x` + strings.Repeat("ab", 128<<10) + `"]}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, _, err := readMessages([]byte(body), 1000); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
