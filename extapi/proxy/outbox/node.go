package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// Bounds of what is taken over from a node's error, in bytes.
const (
	maxErrorText = 4 << 10
	maxErrorData = 64 << 10
)

// client calls the node. Its errors are a [nodeError], what the node said, or a
// [faultError], which leaves open what it did.
type client struct {
	node    Node
	timeout time.Duration // of one call
	now     func() time.Time
	log     *slog.Logger
	faults  atomic.Uint64 // calls that had no answer
	silent  atomic.Bool   // the last call had none
	batches batches
}

// call makes one call.
func (c *client) call(ctx context.Context, result any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.translate(ctx, method, c.node.CallContext(ctx, result, method, args...))
}

// translate makes one of the two kinds of an error.
func (c *client) translate(ctx context.Context, method string, err error) error {
	said := saidByNode(err)
	if err == nil || said != nil {
		if c.silent.Load() && c.silent.Swap(false) {
			c.log.InfoContext(ctx, "Node answers again", "method", method)
		}
		if said != nil {
			return said
		}
		return nil
	}
	fault := &faultError{faultOf(ctx, err)}
	if errors.Is(context.Cause(ctx), context.Canceled) { // a caller that hangs up tells nothing of the node
		return fault
	}
	c.faults.Add(1)
	level := slog.LevelWarn
	if c.silent.Swap(true) {
		level = slog.LevelDebug // a node that is down is no news with every call
	}
	c.log.Log(ctx, level, "Node call failed", "method", method, "error", fault.text)
	return fault
}

// saidByNode returns the JSON-RPC error that a node gave, nil if it gave none. Some
// give it with an HTTP status that is no success.
func saidByNode(err error) *nodeError {
	var (
		said rpc.Error
		data rpc.DataError
		http rpc.HTTPError
	)
	switch {
	case errors.As(err, &said):
		node := &nodeError{code: said.ErrorCode(), text: clip(said.Error(), maxErrorText)}
		if errors.As(err, &data) {
			node.data = encodeData(data.ErrorData())
		}
		return node
	case errors.As(err, &http):
		var answer struct {
			Error *struct {
				Code    int             `json:"code"`
				Message string          `json:"message"`
				Data    json.RawMessage `json:"data"`
			} `json:"error"`
		}
		if unread := json.Unmarshal(http.Body, &answer); unread != nil || answer.Error == nil || answer.Error.Message == "" {
			answer.Error = nil
		}
		if answer.Error == nil {
			return nil
		}
		node := &nodeError{code: answer.Error.Code, text: clip(answer.Error.Message, maxErrorText)}
		if len(answer.Error.Data) <= maxErrorData {
			node.data = answer.Error.Data
		}
		return node
	default:
		return nil
	}
}

// encodeData returns the data of an error as JSON, nil if there is none that can
// be kept.
func encodeData(data any) json.RawMessage {
	if data == nil {
		return nil
	}
	text, err := json.Marshal(data)
	if err != nil || len(text) > maxErrorData {
		return nil
	}
	return text
}

// faultOf says in which way a node gave no answer, without the words of errors
// that quote its URL.
func faultOf(ctx context.Context, err error) string {
	var (
		http rpc.HTTPError
		link *url.Error
		op   *net.OpError
		wait interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &wait) && wait.Timeout():
		return "did not answer in time"
	case errors.Is(err, context.Canceled), ctx.Err() != nil:
		return "was not waited for"
	case errors.As(err, &http):
		return fmt.Sprintf("answered with HTTP status %d", http.StatusCode)
	case errors.As(err, &op):
		return "can't be reached: " + op.Op + " failed"
	case errors.As(err, &link):
		return "can't be reached"
	case errors.Is(err, rpc.ErrClientQuit), errors.Is(err, net.ErrClosed):
		return "can't be reached: the connection is closed"
	default:
		return "gave no answer that can be read"
	}
}

// clip bounds a text, and makes it valid.
func clip(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "�")
}
