package faults_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/internal/relay"
)

// nonsense is what a node should not answer.
func nonsense() map[string]relay.Fault {
	return map[string]relay.Fault{
		"a page of a gateway":  {Status: 502, Answer: "<html><h1>Bad Gateway</h1></html>"},
		"a page of a provider": {Status: 429, Answer: "<html>slow down</html>"},
		"a page":               {Answer: "<html>welcome</html>"},
		"blank":                {Answer: " "},
		"bytes":                {Answer: "\x00\xff\x1f\x8b\x08"},
		"half an answer":       {Answer: `{"jsonrpc":"2.0","id":ID,"resu`},
		"null":                 {Answer: "null"},
		"an empty batch":       {Answer: "[]"},
		"a number":             {Answer: "42"},
		"no result":            {Answer: `{"jsonrpc":"2.0","id":ID}`},
		"a null result":        {Answer: `{"jsonrpc":"2.0","id":ID,"result":null}`},
		"an object":            {Answer: `{"jsonrpc":"2.0","id":ID,"result":{"a":[{}]}}`},
		"a huge number":        {Answer: `{"jsonrpc":"2.0","id":ID,"result":"0x` + strings.Repeat("f", 4096) + `"}`},
		"no number":            {Answer: `{"jsonrpc":"2.0","id":ID,"result":"zero"}`},
	}
}

// garbage: the node answers with what is no answer.
func garbage(t *testing.T, w *world) {
	s := w.newStage(t, false, "node_timeout: 2s")
	s.start(t)
	c := client(t, s.front.URL())
	// In the order in which they are asked for: what is known is not asked for again.
	for _, method := range []string{"eth_getBlockByNumber", "eth_maxPriorityFeePerGas", "eth_estimateGas", "eth_chainId", "eth_getTransactionCount"} {
		for name, fault := range nonsense() {
			fault.Withheld = true
			s.relay.Fail(method, fault)
			before := s.relay.Seen(method)
			if hash, err := s.pay(t); err == nil || s.relay.Seen(method) == before {
				t.Errorf("%s answers with %s, and the payment with %s, %v", method, name, hash, err)
			}
			s.relay.Heal()
		}
	}
	for name, fault := range nonsense() {
		s.relay.Fail("eth_getBalance", fault)
		var balance any
		if err := c.CallContext(t.Context(), &balance, "eth_getBalance", s.account, "latest"); err == nil && !strings.Contains(fault.Answer, `"result"`) {
			t.Errorf("eth_getBalance answers with %s, and the caller gets %v", name, balance)
		}
		s.relay.Heal()
	}
	if signed := s.signed(t); len(signed) > 0 {
		t.Errorf("%d transactions were signed", len(signed))
	}

	lies := nonsense()
	lies["another id"] = relay.Fault{Answer: `{"jsonrpc":"2.0","id":"ID-9","result":"0x1"}`}
	lies["another hash"] = relay.Fault{Answer: fmt.Sprintf(`{"jsonrpc":"2.0","id":ID,"result":"0x%064x"}`, 1)}
	lies["an error of its own"] = relay.Fault{Answer: `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"who knows"}}`}
	lies["an error without a text"] = relay.Fault{Status: 500, Answer: `{"jsonrpc":"2.0","id":ID,"error":{}}`}
	for name, fault := range lies {
		for _, withheld := range []bool{false, true} {
			fault.Withheld = withheld
			s.relay.Fail(sendRaw, fault)
			if _, err := s.pay(t); err != nil {
				t.Errorf("sending is answered with %s, withheld %t, and the caller is told %v", name, withheld, err)
			}
		}
	}
	s.accounted(t)
	s.settled(t)
}
