package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// batchSize is how many calls are made at once; providers bound it. Of a node that takes
// fewer twice as many are asked again after a while.
const (
	batchSize   = 50
	batchesMore = 10 * time.Minute
)

// batcher is a node that takes several calls at once.
type batcher interface {
	BatchCallContext(ctx context.Context, calls []rpc.BatchElem) error
}

// subscriber is a node that tells whether it is asked over a connection, as over WebSocket
// and IPC, or by requests of their own, as over HTTP.
type subscriber interface {
	SupportsSubscriptions() bool
}

// batches is what a client knows of how many calls its node takes at once.
type batches struct {
	mu      sync.Mutex
	most    int       // 0: batchSize
	changed time.Time // when there were last more or fewer
	silent  int       // calls of the last batch without an answer, while none as large had one; 0: none
}

// batch makes many calls, each with an error of its own. When the node gives no
// answer, what is left is not asked.
func (c *client) batch(ctx context.Context, calls []rpc.BatchElem) {
	many, _ := c.node.(batcher)
	for len(calls) > 0 {
		n := 1
		if many != nil {
			n = min(c.batches.size(c.now()), len(calls))
		}
		before := c.batches.unanswered()
		refused, silent, err := c.once(ctx, many, calls[:n])
		switch {
		case refused:
			c.shrink(ctx, n)
			continue
		case silent: // is it the node, or that there were several?
			if err = c.each(ctx, calls[:n]); err == nil && c.batches.noAnswer(n, before) {
				c.shrink(ctx, n)
			}
		case err == nil:
			c.batches.answered(n)
		}
		if err != nil {
			for i := range calls {
				calls[i].Error = err
			}
			return
		}
		calls = calls[n:]
	}
}

// each makes calls one by one. The error is that the node gives no answer.
func (c *client) each(ctx context.Context, calls []rpc.BatchElem) error {
	for i := range calls {
		calls[i].Error = c.call(ctx, calls[i].Result, calls[i].Method, calls[i].Args...)
		var fault *faultError
		if errors.As(calls[i].Error, &fault) {
			return fault
		}
	}
	return nil
}

// size is how many calls are made at once.
func (b *batches) size(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch age := now.Sub(b.changed); {
	case b.most == 0:
		return batchSize
	case age >= batchesMore || age < 0: // it may have been for a while
		b.most, b.changed = min(2*b.most, batchSize), now
	}
	return b.most
}

// unanswered is how many calls were in the last batch without an answer; 0: there was none.
func (b *batches) unanswered() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.silent
}

// answered notes that a batch was answered.
func (b *batches) answered(calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if calls >= b.silent {
		b.silent = 0
	}
}

// noAnswer notes that a batch was not answered, though its calls were one by one. It reports
// whether that is a refusal: another one had no answer before it was made, and none that is
// as large had one since. Once alone, the node was slow for a moment.
func (b *batches) noAnswer(calls, before int) (refused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	refused = before > 0 && b.silent > 0
	if b.silent = calls; refused {
		b.silent = 0
	}
	return refused
}

// shrink has half as many calls made at once as a node has refused.
func (c *client) shrink(ctx context.Context, refused int) {
	b := &c.batches
	b.mu.Lock()
	fewer := b.most == 0 || refused/2 < b.most
	if fewer {
		b.most, b.changed = refused/2, c.now()
	}
	b.mu.Unlock()
	if fewer {
		c.log.LogAttrs(ctx, slog.LevelInfo, "Node takes fewer calls at once", slog.Int("refused", refused))
	}
}

// once makes calls at once. It reports whether the node has refused to take so many, or has
// been silent. Over WebSocket and IPC a refusal may be of no call, and so reach nobody. Over
// HTTP it is the answer.
func (c *client) once(asked context.Context, many batcher, calls []rpc.BatchElem) (refused, silent bool, err error) {
	if len(calls) == 1 {
		return false, false, c.each(asked, calls)
	}
	ctx, cancel := context.WithTimeout(asked, c.timeout)
	defer cancel()
	err = many.BatchCallContext(ctx, calls)
	refused = refusesBatch(err, calls)
	of, tells := c.node.(subscriber)
	silent = !refused && err != nil && ctx.Err() != nil && asked.Err() == nil && (!tells || of.SupportsSubscriptions())
	if refused || silent {
		for i := range calls {
			calls[i].Error = nil
		}
		return refused, silent, nil
	}
	err = c.translate(ctx, "a batch", err)
	var fault *faultError
	if errors.As(err, &fault) {
		return false, false, fault
	}
	for i := range calls {
		if err != nil {
			calls[i].Error = err
			continue
		}
		calls[i].Error = c.translate(ctx, calls[i].Method, calls[i].Error)
	}
	return false, false, nil
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
