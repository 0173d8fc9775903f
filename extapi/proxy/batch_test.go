package proxy

import (
	"encoding/json"
	"strings"
	"testing"
)

// nodes are the three ways to a node.
func nodes(f *fake) map[string]string {
	return map[string]string{"http": f.http(), "ws": f.ws(), "ipc": f.path()}
}

func TestBatches(t *testing.T) {
	f := newFake(t)
	for transport, address := range nodes(f) {
		t.Run(transport, func(t *testing.T) {
			p := started(t, Config{Node: address, Methods: ours()})
			for name, c := range map[string]struct{ body, want string }{
				"passed":          {`[{"id":1,"method":"a"},{"id":1.0,"method":"b","params":[2]}]`, `[{"jsonrpc":"2.0","id":1,"result":{"node":"a","params":null}},{"jsonrpc":"2.0","id":1.0,"result":{"node":"b","params":[2]}}]`},
				"mixed":           {`[{"id":1,"method":"a"},{"jsonrpc":"2.0","id":1.0,"method":"eth_accounts"},{"id":"1","method":"b"},{"id":null,"method":"c"}]`, `[{"jsonrpc":"2.0","id":1,"result":{"node":"a","params":null}},{"jsonrpc":"2.0","id":1.0,"result":{"ours":null}},{"jsonrpc":"2.0","id":"1","result":{"node":"b","params":null}},{"jsonrpc":"2.0","id":null,"result":{"node":"c","params":null}}]`},
				"refused":         {`[{"id":7,"method":"a"},{"id":7,"method":"personal_sign"},{"id":7,"method":"a","x":1},3]`, `[{"jsonrpc":"2.0","id":7,"result":{"node":"a","params":null}},{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"the method personal_sign does not exist/is not available"}},{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"unknown member \"x\": a call has jsonrpc, id, method and params"}},{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"invalid request"}}]`},
				"notifications":   {`[{"method":"a"},{"jsonrpc":"2.0","method":"eth_accounts"},{"id":1,"method":"b"},{"method":"personal_sign"}]`, `[{"jsonrpc":"2.0","id":1,"result":{"node":"b","params":null}}]`},
				"only such":       {`[{"method":"a"},{"jsonrpc":"2.0","method":"eth_accounts"}]`, ``},
				"omitted":         {`[{"id":1,"method":"a"},{"id":2,"method":"fake_omit"},{"jsonrpc":"2.0","id":3,"method":"our_null"}]`, `[{"jsonrpc":"2.0","id":1,"result":{"node":"a","params":null}},{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"the node left this call out of its answer"}},{"jsonrpc":"2.0","id":3,"result":null}]`},
				"garbage":         {`[{"id":1,"method":"fake_garbage"},{"id":2,"method":"a"},{"jsonrpc":"2.0","id":3,"method":"our_null"},{"id":4,"method":"a"}]`, `[{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"the node's answer is not JSON-RPC"}},{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"the node's answer is not JSON-RPC"}},{"jsonrpc":"2.0","id":3,"result":null},{"jsonrpc":"2.0","id":4,"result":{"node":"a","params":null}}]`},
				"refused by node": {`[{"id":1,"method":"fake_refuse"},{"id":2,"method":"a"},{"jsonrpc":"2.0","id":3,"method":"our_null"}]`, `[{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"refused"}},{"jsonrpc":"2.0","id":2,"error":{"code":-32600,"message":"refused"}},{"jsonrpc":"2.0","id":3,"result":null}]`},
				"subscribing":     {`[{"id":1,"method":"eth_subscribe"},{"jsonrpc":"2.0","id":3,"method":"our_null"}]`, `[{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"a subscription needs a WebSocket connection, and a message of its own"}},{"jsonrpc":"2.0","id":3,"result":null}]`},
			} {
				t.Run(name, func(t *testing.T) {
					if got := post(t, p, c.body); got != c.want {
						t.Errorf("got\n%s, not\n%s", got, c.want)
					}
				})
			}
		})
	}
}

func TestPassedBatchIsUntouched(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Methods: ours()})
	body := ` [ {"id":1 ,"method":"a"}, {"method":"b"} ] `
	post(t, p, body)
	if seen := f.seen(); len(seen) != 1 || seen[0] != body {
		t.Errorf("the node got %q", seen)
	}
}

func TestMixedBatchRunsInOrder(t *testing.T) {
	f := newFake(t)
	p := started(t, Config{Node: f.http(), Methods: ours()})
	post(t, p, `[{"id":"x","method":"a","params":[1]},{"method":"b"},{"jsonrpc":"2.0","id":1,"method":"our_null"},{"id":9,"method":"c"},{"id":9,"method":"admin_x"},{"id":9,"method":"d"}]`)
	want := []string{`[{"id":1,"method":"a","params":[1]},{"method":"b"}]`, `{"id":1,"method":"c"}`, `{"id":1,"method":"d"}`}
	if seen := f.seen(); strings.Join(seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("the node got %q", seen)
	}
}

func TestBatchOfLargeAnswersIsBounded(t *testing.T) {
	f := newFake(t)
	for transport, address := range nodes(f) {
		t.Run(transport, func(t *testing.T) {
			p := started(t, Config{Node: address, Methods: ours(), MaxAnswer: 1 << 20})
			got := post(t, p, `[{"id":1,"method":"fake_big","params":[2000000]},{"jsonrpc":"2.0","id":2,"method":"our_null"},{"id":3,"method":"a"}]`)
			want := `[{"jsonrpc":"2.0","id":1,"error":{"code":-32003,"message":"response too large"}},{"jsonrpc":"2.0","id":2,"result":null},{"jsonrpc":"2.0","id":3,"result":{"node":"a","params":null}}]`
			if got != want {
				t.Errorf("got %s", got)
			}
			got = post(t, p, `[{"id":1,"method":"fake_big","params":[800000]},{"jsonrpc":"2.0","id":2,"method":"our_null"},{"id":3,"method":"fake_big","params":[800000]}]`)
			var answers []wireMessage
			if err := json.Unmarshal([]byte(got), &answers); err != nil || len(answers) != 3 {
				t.Fatal(err, len(answers))
			}
			if len(answers[0].Result) != 800002 || string(answers[1].Result) != "null" || !strings.Contains(string(answers[2].Error), "too large") {
				t.Errorf("got %d, %s, %s", len(answers[0].Result), answers[1].Result, answers[2].Error)
			}
		})
	}
}
