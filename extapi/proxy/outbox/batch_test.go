package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// unbatched serves a node over HTTP that takes no more than so many calls at once,
// and answers a batch that has more as it likes.
func unbatched(t *testing.T, node *fakeNode, most int, status int, refusal string) *rpc.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
			_ = json.NewEncoder(rw).Encode(node.serve(t, body))
			return
		}
		var calls []json.RawMessage
		if err := json.Unmarshal(body, &calls); err != nil || len(calls) > most {
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, refusal)
			return
		}
		answers := make([]any, len(calls))
		for i := range calls {
			answers[i] = node.serve(t, calls[i])
		}
		_ = json.NewEncoder(rw).Encode(answers)
	}))
	t.Cleanup(server.Close)
	client, err := rpc.DialOptions(t.Context(), server.URL, rpc.WithHTTPClient(server.Client()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// serve answers one call.
func (n *fakeNode) serve(t *testing.T, body []byte) any {
	t.Helper()
	var call struct {
		ID     json.RawMessage   `json:"id"`
		Method string            `json:"method"`
		Params []json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(body, &call); err != nil {
		return nil
	}
	params := make([]any, len(call.Params))
	for i, raw := range call.Params {
		var text string
		_ = json.Unmarshal(raw, &text)
		switch {
		case call.Method == "eth_getTransactionCount" && i == 0:
			params[i] = common.HexToAddress(text)
		case call.Method == "eth_sendRawTransaction":
			params[i] = hexutil.Bytes(common.FromHex(text))
		case call.Method == "eth_getBlockByNumber" && i == 0 && text != "latest":
			params[i] = hexutil.Uint64(hexutil.MustDecodeUint64(text))
		case len(text) == 66:
			params[i] = common.HexToHash(text)
		case text != "":
			params[i] = text
		default:
			params[i] = raw
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	answer := map[string]any{"jsonrpc": "2.0", "id": call.ID}
	if result, err := n.answer(call.Method, params); err != nil {
		answer["error"] = map[string]any{"code": -32000, "message": err.Error()}
	} else {
		answer["result"] = result
	}
	return answer
}

// TestNodesWithoutBatches: a node that takes no batches, or no large ones, is asked one
// by one.
func TestNodesWithoutBatches(t *testing.T) {
	const single = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch limit exceeded"}}`
	for _, status := range []int{200, 400, 413} {
		for _, most := range []int{0, 6} {
			for name, refusal := range map[string]string{"object": single, "array": "[" + single + "]", "page": "<html>"} {
				t.Run(fmt.Sprintf("%d of %d, %s", status, most, name), func(t *testing.T) {
					w := newWorld(t, func(w *world) { w.cfg.Node = unbatched(t, w.node, most, status, refusal) })
					for i := range 10 {
						w.mustSend(t, w.transfer(t, i), "")
					}
					for range 3 {
						w.block(t)
					}
					if n := len(w.node.minedOf(t, w.vault.address(0))); n != 10 {
						t.Errorf("%d mined", n)
					}
					if inFlight, _ := w.book.load(); inFlight != 0 {
						t.Errorf("%d under way", inFlight)
					}
				})
			}
		}
	}
}
