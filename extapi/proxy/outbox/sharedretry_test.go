package outbox

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// TestRetryWhileItIsJudged: a retry at another replica is not told the hash of a transaction
// of which it is still being found out whether another one has used its nonce, however far
// apart the clocks of the two are.
func TestRetryWhileItIsJudged(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) { retryWhileItIsJudged(t, ahead) })
	}
}

func retryWhileItIsJudged(t *testing.T, ahead time.Duration) {
	replicas := newReplicas(t, 2, nil)
	a, b := replicas[0], replicas[1]
	b.cfg.Clock = func() time.Time { return b.clock.time().Add(ahead) }
	b.restart(t)
	a.mustSend(t, a.transfer(t, 1), "")
	a.node.mine()
	a.another(t, 10)
	a.node.mine()
	judged, goOn := make(chan struct{}), make(chan struct{})
	a.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if n.calls["eth_sendRawTransaction"] == 3 && method == "eth_blockNumber" {
				n.fault = nil
				n.mu.Unlock()
				close(judged)
				<-goOn
				n.mu.Lock()
			}
			return false, nil
		}
	})
	told := make(chan common.Hash)
	go func() {
		hash, err := a.Send(t.Context(), a.transfer(t, 777), "invoice")
		if err != nil {
			t.Error(err)
		}
		told <- hash
	}()
	<-judged
	if hash, err := b.Send(t.Context(), b.transfer(t, 777), "invoice"); err == nil || !strings.Contains(err.Error(), "another request with this idempotency key is under way") {
		t.Errorf("it is told %v, %v", hash, err)
	}
	close(goOn)
	first := <-told
	if hash := b.mustSend(t, b.transfer(t, 777), "invoice"); hash != first {
		t.Errorf("it is told %v, and the first %v", hash, first)
	}
	b.wantState(t, first, StateUnsure) // of another replica
	a.wantState(t, first, StateSent)
}

// TestRetryWhileItIsNotKnown: of a transaction that the node does not know, a retry at
// another replica is told when nobody can be at it any more.
func TestRetryWhileItIsNotKnown(t *testing.T) {
	for _, silent := range []bool{false, true} {
		replicas := newReplicas(t, 2, nil)
		a, b := replicas[0], replicas[1]
		a.node.failOnce("eth_sendRawTransaction", false, errReset)
		hash := a.mustSend(t, a.transfer(t, 777), "invoice")
		if silent {
			a.node.set(func(n *fakeNode) { n.fault = func(string, []any) (bool, error) { return false, errReset } })
		}
		if again := a.mustSend(t, a.transfer(t, 777), "invoice"); again != hash {
			t.Errorf("it is told %v", again)
		}
		for _, passes := range []time.Duration{b.Outbox.cfg.Patience, b.judgedWithin()} { // the other may be judging it
			if _, err := b.Send(t.Context(), b.transfer(t, 777), "invoice"); err == nil || !strings.Contains(err.Error(), "another request with this idempotency key is under way") {
				t.Errorf("it is told %v", err)
			}
			b.clock.move(passes)
		}
		if again := b.mustSend(t, b.transfer(t, 777), "invoice"); again != hash {
			t.Errorf("it is told %v", again)
		}
	}
}
