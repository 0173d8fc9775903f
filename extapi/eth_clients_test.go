package extapi

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// TestEthClients: what other libraries send is answered, to the byte, as they sign
// it themselves with the same key.
func TestEthClients(t *testing.T) {
	file, err := os.ReadFile("testdata/eth-clients.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	w, _ := newEthCaller(t, nil)
	methods := make(map[string]int)
	for line := range bytes.Lines(file) {
		var c struct {
			Client, Method, Answer string
			Params                 json.RawMessage
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		var answer string
		if w.result(c.Method, string(c.Params), &answer); answer != c.Answer {
			t.Errorf("%s: %s: %s, want %s", c.Client, c.Method, answer, c.Answer)
		}
		methods[c.Method]++
	}
	if len(methods) != 5 {
		t.Errorf("the file has %v", methods)
	}
}
