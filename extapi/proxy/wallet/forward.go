package wallet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/extapi/proxy"
)

// maxNodeText bounds what of an error of the node's transport is told, in bytes.
const maxNodeText = 256

// theirs reports whether a request is for the node, which holds the account.
func (w *wallet) theirs(ctx context.Context, account common.Address) bool {
	return w.Node != nil && !w.Holds(ctx, account)
}

// forward has the node answer. Its errors keep their code and data.
func (w *wallet) forward(ctx context.Context, method string, params []json.RawMessage) (any, error) {
	args := make([]any, len(params))
	for i, param := range params {
		args[i] = param
	}
	var result json.RawMessage
	if err := w.Node.CallContext(ctx, &result, method, args...); err != nil {
		return nil, toldOf(err)
	}
	return result, nil
}

// toldOf returns an error of the node as a caller is told it: what the node says by
// JSON-RPC as it is. Of anything else neither the address of the node is told, nor
// the page of a server on the way.
func toldOf(err error) error {
	var (
		refusal rpc.Error
		status  rpc.HTTPError
		network *net.OpError
	)
	switch {
	case errors.As(err, &refusal):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &nodeError{"the node did not answer in time", proxy.OutcomeTimeout}
	case errors.As(err, &status):
		return &nodeError{fmt.Sprintf("the node answered HTTP %d", status.StatusCode), proxy.OutcomeInvalid}
	case errors.As(err, &network):
		return &nodeError{"the node can't be reached", proxy.OutcomeUnreachable}
	}
	text := err.Error()
	if len(text) > maxNodeText {
		text = strings.ToValidUTF8(text[:maxNodeText], "") + "…"
	}
	return &nodeError{"the node failed: " + text, proxy.OutcomeUnreachable}
}

// nodeError is a fault of the node's, with what became of the call.
type nodeError struct {
	text    string
	outcome proxy.Outcome
}

// Error returns the text.
func (e *nodeError) Error() string { return e.text }

// Outcome is for the proxy's observer.
func (e *nodeError) Outcome() proxy.Outcome { return e.outcome }
