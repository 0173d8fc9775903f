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
		return errors.New("the node did not answer in time")
	case errors.As(err, &status):
		return fmt.Errorf("the node answered HTTP %d", status.StatusCode)
	case errors.As(err, &network):
		return errors.New("the node can't be reached")
	}
	text := err.Error()
	if len(text) > maxNodeText {
		text = strings.ToValidUTF8(text[:maxNodeText], "") + "…"
	}
	return fmt.Errorf("the node failed: %s", text)
}
