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
// fewer more are asked again after so many batches, and much later of one that does not say
// so: it is waited for in vain.
const (
	batchSize   = 50
	batchesLess = 1000
	batchesMute = 1_000_000
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
	after := int64(batchesLess)
	if c.mute.Load() {
		after = batchesMute
	}
	if c.served.Add(1)%after == 0 { // it may have been for a while
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

// once makes calls at once. It reports whether the node has refused to take so many. Over
// WebSocket and IPC a refusal may be of no call, and so reach nobody: if one of the calls
// is answered by itself, that there was no answer in time is one.
func (c *client) once(asked context.Context, many batcher, calls []rpc.BatchElem) (refused bool, err error) {
	ctx, cancel := context.WithTimeout(asked, c.timeout)
	defer cancel()
	err = many.BatchCallContext(ctx, calls)
	refused = refusesBatch(err, calls)
	if !refused && err != nil && ctx.Err() != nil && asked.Err() == nil && c.answers(asked, calls[0]) {
		refused = true
		c.mute.Store(true)
	}
	if refused {
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

// answers reports whether the node answers a call by itself.
func (c *client) answers(ctx context.Context, of rpc.BatchElem) bool {
	var (
		answer json.RawMessage
		fault  *faultError
	)
	return !errors.As(c.call(ctx, &answer, of.Method, of.Args...), &fault)
}

// refusesBatch reports whether a node has answered a batch as a whole, and not the
// calls in it. geth gives an error to the first call, and no answer to the others.
func refusesBatch(err error, calls []rpc.BatchElem) bool {
	var (
		said   rpc.Error
		status rpc.HTTPError
		syntax *json.SyntaxError
		other  *json.UnmarshalTypeError
	)
	switch {
	case err == nil:
		var answered []error
		for i := range calls {
			if !errors.Is(calls[i].Error, rpc.ErrMissingBatchResponse) {
				answered = append(answered, calls[i].Error)
			}
		}
		return len(answered) == 0 || len(answered) == 1 && errors.As(answered[0], &said)
	case errors.As(err, &status):
		return status.StatusCode == http.StatusBadRequest || status.StatusCode == http.StatusRequestEntityTooLarge
	default:
		return errors.As(err, &syntax) || errors.As(err, &other)
	}
}
