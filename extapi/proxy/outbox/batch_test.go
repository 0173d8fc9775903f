package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

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
			_, _ = io.WriteString(rw, strings.ReplaceAll(refusal, "FIRST", string(idOf(calls))))
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

// idOf returns the id of the first of some calls.
func idOf(calls []json.RawMessage) json.RawMessage {
	var first struct {
		ID json.RawMessage `json:"id"`
	}
	if len(calls) > 0 {
		_ = json.Unmarshal(calls[0], &first)
	}
	return first.ID
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
		for _, most := range []int{0, 1, 2, 6} {
			for name, refusal := range map[string]string{
				"object": single, "array": "[" + single + "]", "page": "<html>",
				"geth": `[{"jsonrpc":"2.0","id":FIRST,"error":{"code":-32600,"message":"batch too large"}}]`,
			} {
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

// piped serves a node over a pipe, as over IPC and WebSocket, that takes no more than so many
// calls at once, and refuses a batch that has more with an error of no call.
func piped(t *testing.T, node *fakeNode, most int) *rpc.Client {
	t.Helper()
	ours, theirs := net.Pipe()
	var done sync.WaitGroup
	done.Go(func() {
		defer theirs.Close()
		for decoder := json.NewDecoder(theirs); ; {
			var (
				message json.RawMessage
				calls   []json.RawMessage
				answer  any
			)
			if decoder.Decode(&message) != nil {
				return
			}
			switch err := json.Unmarshal(message, &calls); {
			case err != nil:
				answer = node.serve(t, message)
			case len(calls) > most:
				answer = json.RawMessage(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch limit exceeded"}}`)
			default:
				answers := make([]any, len(calls))
				for i := range calls {
					answers[i] = node.serve(t, calls[i])
				}
				answer = answers
			}
			if json.NewEncoder(theirs).Encode(answer) != nil {
				return
			}
		}
	})
	client, err := rpc.DialIO(t.Context(), ours, ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = ours.Close() // the client leaves it open
		client.Close()
		done.Wait()
	})
	return client
}

// TestRefusalThatReachesNobody: over a connection whose client drops what a node says of no
// call, a batch that is too large is waited for twice, and smaller ones are made from then on.
func TestRefusalThatReachesNobody(t *testing.T) {
	for _, most := range []int{1, 2, 6} {
		w := newWorld(t, func(w *world) { w.cfg.Node, w.cfg.Timeout = piped(t, w.node, most), 500*time.Millisecond })
		for i := range 4 {
			w.mustSend(t, w.transfer(t, i), "")
		}
		for range 3 {
			w.block(t)
		}
		if n := len(w.node.minedOf(t, w.vault.address(0))); n != 4 {
			t.Errorf("of %d calls at once: %d mined", most, n)
		}
		if size := w.client.batches.size(w.clock.time()); most < 3 && size > most {
			t.Errorf("of %d calls at once %d are made", most, size)
		}
	}
}

// TestSilenceIsNoRefusal: a node that gives no answer to a call by itself either, or whose
// caller hangs up, has refused nothing.
func TestSilenceIsNoRefusal(t *testing.T) {
	node := newFakeNode()
	c := &client{node: muteNode{node}, timeout: 10 * time.Millisecond, now: time.Now, log: slog.New(slog.DiscardHandler)}
	calls := []rpc.BatchElem{{Method: "eth_chainId", Result: new(any)}, {Method: "eth_blockNumber", Result: new(any)}}
	c.batch(t.Context(), calls)
	if c.batches.most != 0 || c.batches.silent != 0 || calls[0].Error == nil || calls[1].Error == nil {
		t.Errorf("%d at once, %v", c.batches.most, calls[1].Error)
	}
	c.node, c.timeout = batchNode{node}, time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.batch(ctx, calls)
	if c.batches.most != 0 || c.batches.silent != 0 {
		t.Errorf("%d at once", c.batches.most)
	}
}

// muteNode answers nothing.
type muteNode struct{ *fakeNode }

func (muteNode) CallContext(ctx context.Context, _ any, _ string, _ ...any) error {
	<-ctx.Done()
	return ctx.Err()
}

func (muteNode) BatchCallContext(ctx context.Context, _ []rpc.BatchElem) error {
	<-ctx.Done()
	return ctx.Err()
}
