package faults_test

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/internal/relay"
)

const sendRaw = "eth_sendRawTransaction"

// TestFaults plays one fault after the other.
func TestFaults(t *testing.T) {
	w := newWorld(t, 16)
	w.mine(t)
	t.Run("down", func(t *testing.T) { down(t, w) })
	t.Run("slow", func(t *testing.T) { slow(t, w) })
	t.Run("garbage", func(t *testing.T) { garbage(t, w) })
	t.Run("reset over HTTP", func(t *testing.T) { broken(t, w, false) })
	t.Run("reset over WebSocket", func(t *testing.T) { broken(t, w, true) })
	t.Run("subscription", func(t *testing.T) { subscription(t, w) })
}

// refused expects an error, and nothing to be signed for it.
func (s *stage) refused(t *testing.T, what, text string) {
	t.Helper()
	before := len(s.signed(t))
	if hash, err := s.pay(t); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %s, %v; want %q", what, hash, err, text)
	}
	if after := len(s.signed(t)); after != before {
		t.Errorf("%s: %d signatures were made for nothing", what, after-before)
	}
}

// down: the node is not there when kvclef starts, and is later; then it goes away
// before it gets a transaction, and kvclef is killed and started again meanwhile.
func down(t *testing.T, w *world) {
	s := w.newStage(t, false)
	s.relay.Down()
	s.start(t)
	var accounts []common.Address
	if err := client(t, s.front.URL()).CallContext(t.Context(), &accounts, "eth_accounts"); err != nil {
		t.Errorf("eth_accounts without a node: %v", err)
	}
	s.refused(t, "no node", "the node can't be reached")
	if _, err := s.payAgain(t, client(t, s.front.URL()), "invoice"); err == nil {
		t.Error("a payment without a node")
	}
	ok(t, s.relay.Up(t.Context()))
	first, err := s.payAgain(t, client(t, s.front.URL()), "invoice")
	ok(t, err)

	s.relay.Fail(sendRaw, relay.Fault{Withheld: true, End: relay.Resets})
	lost := s.mustPay(t)
	s.relay.Down()
	s.relay.Heal()
	running, _ := s.show(t, lost)
	s.accounted(t)
	s.front.Kill()
	stopped, tx := s.show(t, lost)
	if !running.Running || stopped.Running || stopped.State != "unsure" || tx.Value().Int64() != s.paid {
		t.Errorf("shown by a signer: %+v; without one: %+v", running, stopped)
	}
	s.accounted(t)
	for _, command := range []string{"bump", "cancel"} {
		if _, err := s.front.Run(t.Context(), "tx", command, lost.Hex()); err == nil || !strings.Contains(err.Error(), "no signer is running") || !strings.Contains(err.Error(), "--raw") {
			t.Errorf("tx %s without a signer: %v", command, err)
		}
	}
	s.start(t)
	if _, err := s.payAgain(t, client(t, s.front.URL()), ""); err == nil {
		t.Error("a payment without a node")
	}
	ok(t, s.relay.Up(t.Context()))
	s.settled(t)
	if first == lost {
		t.Errorf("two payments are %s", first)
	}
}

// slow: the node answers later than it is waited for.
func slow(t *testing.T, w *world) {
	s := w.newStage(t, false, "node_timeout: 500ms")
	s.start(t)
	s.relay.Fail("eth_estimateGas", relay.Fault{End: relay.Hangs})
	s.refused(t, "a slow estimate", "the node did not answer in time")
	s.relay.Fail("eth_getBalance", relay.Fault{End: relay.Hangs})
	var balance string
	if err := client(t, s.front.URL()).CallContext(t.Context(), &balance, "eth_getBalance", s.account, "latest"); err == nil || !strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("a slow call: %s, %v", balance, err)
	}
	s.relay.Heal()
	for _, withheld := range []bool{false, true} {
		s.relay.Fail(sendRaw, relay.Fault{Withheld: withheld, End: relay.Hangs})
		s.mustPay(t)
		s.accounted(t)
		s.relay.Heal()
		s.mustPay(t)
	}
	s.settled(t)
}

// broken: the connection breaks after the node has taken a transaction, or before.
func broken(t *testing.T, w *world, socket bool) {
	// go-ethereum's client misses a WebSocket that breaks in the moment after it was
	// written to, and waits for as long as it may.
	s := w.newStage(t, socket, "node_timeout: 2s")
	s.start(t)
	for _, fault := range []relay.Fault{
		{End: relay.Resets}, {End: relay.Cuts}, {End: relay.Resets, Withheld: true}, {End: relay.Cuts, Withheld: true},
	} {
		s.relay.Fail(sendRaw, fault)
		s.paid++
		hash, err := s.payAgain(t, client(t, s.front.URL()), t.Name()+fault.String())
		ok(t, err)
		s.accounted(t)
		s.relay.Heal()
		again, err := s.payAgain(t, client(t, s.front.URL()), t.Name()+fault.String())
		if err != nil || again != hash {
			t.Errorf("%s: a retry is %s, %v; want %s", fault, again, err, hash)
		}
		s.mustPay(t)
	}
	s.settled(t)
}
