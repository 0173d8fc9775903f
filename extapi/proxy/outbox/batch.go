package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/ethereum/go-ethereum/rpc"
)

// batchSize is how many calls are made at once; providers bound it. Of one that takes
// fewer more are asked again after so many batches.
const (
	batchSize   = 50
	batchesLess = 1000
)

// batcher is a node that takes several calls at once.
type batcher interface {
	BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error
}

// batch makes many calls, each with an error of its own. When the node gives no
// answer, what is left is not asked.
func (c *client) batch(ctx context.Context, calls []rpc.BatchElem) {
	many, _ := c.node.(batcher)
	for len(calls) > 0 {
		n := min(c.size(many), len(calls))
		var err error
		if n == 1 {
			err = c.call(ctx, calls[0].Result, calls[0].Method, calls[0].Args...)
			calls[0].Error = err
		} else {
			var refused bool
			if refused, err = c.once(ctx, many, calls[:n]); refused {
				c.shrink(ctx, n)
				continue
			}
		}
		var fault *faultError
		if errors.As(err, &fault) {
			for i := range calls {
				calls[i].Error = err
			}
			return
		}
		calls = calls[n:]
	}
}

// size is how many calls are made at once.
func (c *client) size(many batcher) int {
	if many == nil {
		return 1
	}
	size := c.atOnce.Load()
	if size == 0 {
		return batchSize
	}
	if c.served.Add(1)%batchesLess == 0 { // it may have been for a while
		size = min(2*size, batchSize)
		c.atOnce.Store(size)
	}
	return int(size)
}

// shrink has half as many calls made at once as a node has refused.
func (c *client) shrink(ctx context.Context, refused int) {
	size := int64(refused / 2)
	if c.atOnce.Swap(size) != size {
		c.log.LogAttrs(ctx, slog.LevelInfo, "Node takes fewer calls at once", slog.Int("refused", refused))
	}
}

// once makes calls at once. It reports whether the node has refused to take so many.
func (c *client) once(ctx context.Context, many batcher, calls []rpc.BatchElem) (refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err = many.BatchCallContext(ctx, calls)
	if refusesBatch(err, calls) {
		for i := range calls {
			calls[i].Error = nil
		}
		return true, nil
	}
	err = c.translate(ctx, "a batch", err)
	for i := range calls {
		if err != nil {
			calls[i].Error = err
			continue
		}
		calls[i].Error = c.translate(ctx, calls[i].Method, calls[i].Error)
	}
	return false, err
}

// refusesBatch reports whether a node has answered a batch as a whole, and not the
// calls in it.
func refusesBatch(err error, calls []rpc.BatchElem) bool {
	var (
		status rpc.HTTPError
		syntax *json.SyntaxError
		other  *json.UnmarshalTypeError
	)
	switch {
	case err == nil:
		for i := range calls {
			if !errors.Is(calls[i].Error, rpc.ErrMissingBatchResponse) {
				return false
			}
		}
		return true
	case errors.As(err, &status):
		return status.StatusCode == http.StatusBadRequest || status.StatusCode == http.StatusRequestEntityTooLarge
	default:
		return errors.As(err, &syntax) || errors.As(err, &other)
	}
}
