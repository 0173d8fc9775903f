package outbox

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// slowNode answers late, once it is told to.
type slowNode struct {
	*fakeNode
	wait func() <-chan time.Time
}

func (n slowNode) CallContext(ctx context.Context, result any, method string, params ...any) error {
	if wait := n.wait(); wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return n.fakeNode.CallContext(ctx, result, method, params...)
}

// TestJudgedByASlowNode: the account's other transactions don't wait for a node that is slow
// to tell who has used a nonce, nor for a caller who has gone.
func TestJudgedByASlowNode(t *testing.T) {
	for name, test := range map[string]struct {
		each time.Duration
		gone bool
	}{
		"slow":            {900 * time.Millisecond, false},
		"silent":          {time.Hour, false},
		"slow, gone":      {900 * time.Millisecond, true},
		"silent and gone": {time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := false
				w := newWorld(t, func(w *world) {
					w.cfg.Timeout, w.cfg.Interval = 30*time.Second, 2*time.Second
					w.cfg.Node = slowNode{w.node, func() <-chan time.Time {
						if !slow {
							return nil
						}
						return time.After(test.each)
					}}
				})
				w.node.mine()
				w.mustSend(t, w.transfer(t, 1), "")
				w.node.mine()
				w.another(t, 10)
				for range 100 {
					w.node.mine()
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.node.set(func(n *fakeNode) {
					n.fault = func(method string, _ []any) (bool, error) {
						if method == "eth_getTransactionReceipt" && !slow { // the last that is asked before it is judged
							slow = true
							if test.gone {
								time.AfterFunc(time.Second, cancel)
							}
						}
						return false, nil
					}
				})
				start := time.Now()
				hash, err := w.Send(ctx, w.transfer(t, 2), "k")
				if err != nil {
					t.Fatal(err)
				}
				want := 3*w.cfg.Interval + 5*time.Second
				if test.gone {
					want = time.Second
				}
				if took := time.Since(start); took != want {
					t.Errorf("it takes %v, want %v", took, want)
				}
				slow = false
				w.wantState(t, hash, StateUnsure)
			})
		})
	}
}
