package faults_test

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/cmd/internal/relay"
)

// follow subscribes to the chain's head.
func follow(t *testing.T, c *rpc.Client) (chan *types.Header, *rpc.ClientSubscription) {
	t.Helper()
	heads := make(chan *types.Header, 100)
	subscription, err := c.EthSubscribe(t.Context(), heads, "newHeads")
	ok(t, err)
	return heads, subscription
}

// subscription: the node's WebSocket breaks under a subscription and under a call.
// The client sees both end, and goes on over a new connection.
func subscription(t *testing.T, w *world) {
	s := w.newStage(t, false)
	s.start(t)
	hanging := relay.Fault{End: relay.Hangs}
	for round := 1; round <= 3; round++ {
		c := client(t, s.front.WS())
		heads, subscribed := follow(t, c)
		soon(t, "a head", heads)
		s.relay.Fail("eth_getBalance", hanging)
		called := make(chan error, 1)
		go func() {
			var balance string
			called <- c.CallContext(t.Context(), &balance, "eth_getBalance", s.account, "latest")
		}()
		eventually(t, "the call reaches the node", func() bool { return s.relay.Seen("eth_getBalance") == round })
		s.relay.Heal()
		if round == 3 { // the whole node is gone for a while
			s.relay.Down()
		} else {
			s.relay.Drop()
		}
		var closed *websocket.CloseError
		if err := soon(t, "the end of the subscription", subscribed.Err()); !errors.As(err, &closed) || closed.Code != websocket.CloseServiceRestart {
			t.Errorf("the subscription ends with %v", err)
		}
		if err := soon(t, "the end of the call", called); err == nil {
			t.Error("a call whose connection broke has an answer")
		}
	}
	if _, err := client(t, s.front.WS()).EthSubscribe(t.Context(), make(chan *types.Header), "newHeads"); err == nil {
		t.Error("subscribed without a node")
	}
	ok(t, s.relay.Up(t.Context()))
	c := client(t, s.front.WS())
	heads, subscribed := follow(t, c)
	soon(t, "a head over the new connection", heads)
	s.paid++
	hash, err := s.payAgain(t, c, "over the socket")
	ok(t, err)
	s.relay.Drop()
	soon(t, "the end of the subscription", subscribed.Err())
	again, err := s.payAgain(t, client(t, s.front.WS()), "over the socket")
	if err != nil || again != hash {
		t.Errorf("a retry is %s, %v; want %s", again, err, hash)
	}
	s.settled(t)
}
