package wallet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/extapi/proxy"
)

// TestManyParameters: what a caller sends is not multiplied in memory.
func TestManyParameters(t *testing.T) {
	methods, asked := newWallet(nil)
	for _, tiny := range []string{"1,", "null,"} {
		params := json.RawMessage("[" + strings.Repeat(tiny, 4<<20/len(tiny)) + "1]")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := methods["eth_sign"](t.Context(), params)
		runtime.ReadMemStats(&after)
		if err == nil || len(asked.asked) > 0 {
			t.Errorf("%s: %v, asked %q", tiny, err, asked.asked)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(4*len(params)) {
			t.Errorf("%d bytes of %s took %d", len(params), tiny, grown)
		}
	}
}

// failing is a node whose every call fails.
type failing struct{ err error }

func (f failing) CallContext(context.Context, any, string, ...any) error { return f.err }

type refusalError struct{}

func (refusalError) Error() string  { return "authentication needed: password or unlock" }
func (refusalError) ErrorCode() int { return -32000 }

// TestNodeFails: a caller is told what the node says as JSON-RPC. Of anything else
// it is told that it is the node's, and no page of a server on the way.
func TestNodeFails(t *testing.T) {
	page := rpc.HTTPError{StatusCode: 503, Status: "503 Service Unavailable", Body: []byte(strings.Repeat("<html>", 1000))}
	for _, c := range []struct {
		err     error
		want    string
		outcome proxy.Outcome // "" is an error as any other
	}{
		{refusalError{}, "authentication needed: password or unlock", ""},
		{context.DeadlineExceeded, "the node did not answer in time", proxy.OutcomeTimeout},
		{&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{Port: 8545}, Err: errors.New("refused")}, "the node can't be reached", proxy.OutcomeUnreachable},
		{errors.New("EOF"), "the node failed: EOF", proxy.OutcomeUnreachable},
		{fmt.Errorf("asking: %w", page), "the node answered HTTP 503", proxy.OutcomeInvalid},
		{errors.New(strings.Repeat("x", 99999)), "the node failed: " + strings.Repeat("x", 256) + "…", proxy.OutcomeUnreachable},
	} {
		methods := Methods(Config{
			Outbox: new(scribe), Signatory: new(scribe), Node: failing{c.err},
			Holds: func(context.Context, common.Address) bool { return false },
		})
		for method, params := range map[string]string{
			"eth_accounts": ``, "eth_sign": fmt.Sprintf(`[%q,"0x"]`, theirs),
		} {
			_, got := methods[method](t.Context(), json.RawMessage(params))
			if got == nil || got.Error() != c.want {
				t.Errorf("%s: got %.300v, not %s", method, got, c.want)
			}
			var known interface{ Outcome() proxy.Outcome }
			if found := errors.As(got, &known); found != (c.outcome != "") || found && known.Outcome() != c.outcome {
				t.Errorf("%s: the outcome of %v is not %q", method, got, c.outcome)
			}
			var coded rpc.Error
			if refused := errors.As(c.err, &coded); refused != errors.As(got, &coded) {
				t.Errorf("%s: the code is lost, or made up: %v", method, got)
			}
		}
	}
}
