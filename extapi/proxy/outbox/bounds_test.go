package outbox

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// TestRefusedForGood: the retry of a request that the node refused is never told a
// hash, also when the record of the refusal is gone.
func TestRefusedForGood(t *testing.T) {
	w := newWorld(t, nil)
	w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
	w.wantError(t, "k", "insufficient funds")
	var refused []rules.Change
	if err := w.records.EachRecord(t.Context(), prefixTransactions, func(key string, value []byte) error {
		refused = append(refused, rules.Change{Key: key, Old: value})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.records.ChangeRecords(t.Context(), refused...); err != nil {
		t.Fatal(err)
	}
	w.wantError(t, "k", "the node refused")
	w.restart(t)
	w.wantError(t, "k", "the node refused")
	if w.vault.signatures() != 1 {
		t.Error("it was signed again")
	}
}

// TestTalkativeNode: what a node says of transactions under way takes no memory to
// speak of.
func TestTalkativeNode(t *testing.T) {
	w := newWorld(t, nil)
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method == "eth_sendRawTransaction" {
				return false, &saidError{-32000, "the stars " + strings.Repeat("x", 1<<12), strings.Repeat("y", 1<<15)}
			}
			return false, nil
		}
	})
	hash := w.mustSend(t, w.transfer(t, 1), "")
	e, _ := w.book.find(hash)
	if e.refusal == nil || len(e.refusal.Text)+len(e.refusal.Data) > 1<<10 {
		t.Errorf("%d bytes of it are in memory", len(e.refusal.Text)+len(e.refusal.Data))
	}
}

// TestManyOfOneNonce: one nonce has few transactions, so that sending them again
// takes few calls.
func TestManyOfOneNonce(t *testing.T) {
	w := newWorld(t, nil)
	w.node.set(func(n *fakeNode) {
		n.fault = func(method string, _ []any) (bool, error) {
			if method == "eth_sendRawTransaction" {
				return false, says("the stars are not right")
			}
			return false, nil
		}
	})
	refused := 0
	for i := range 100 {
		w.clock.move(time.Second)
		if _, err := w.Send(t.Context(), w.tx(t, `{"to":"%v","nonce":"0x0","value":"%#x"}`, w.vault.address(1), i), ""); err != nil {
			refused++
		}
	}
	if refused < 50 {
		t.Errorf("%d were refused", refused)
	}
	w.clock.move(time.Hour)
	before := w.node.called("eth_sendRawTransaction")
	w.step(t.Context())
	if n := w.node.called("eth_sendRawTransaction") - before; n == 0 || n > 50 {
		t.Errorf("%d calls to send one nonce again", n)
	}
	w.node.set(func(n *fakeNode) { n.fault = nil })
	listing, err := w.List(t.Context(), Filter{InFlight: true})
	if err != nil || len(listing.Transactions) != maxVersions {
		t.Fatalf("%d are under way, %v", len(listing.Transactions), err)
	}
	if _, err := w.Cancel(t.Context(), listing.Transactions[0].Hash); err != nil {
		t.Errorf("an operator can't cancel them: %v", err)
	}
}

// TestManyRaises: one nonce has few transactions also if its fees are raised again and
// again, and can be cancelled then.
func TestManyRaises(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	var err error
	raised := 0
	for range 2 * maxVersions {
		var next common.Hash
		if next, err = w.Bump(t.Context(), hash, 0); err != nil {
			break
		}
		raised, hash = raised+1, next
	}
	if err == nil || !strings.Contains(err.Error(), "with nonce 0 are under way") || raised != maxVersions-1 {
		t.Errorf("after %d it is told %v", raised, err)
	}
	canceled := 0
	for range 2 * maxCancels {
		if hash, err = w.Cancel(t.Context(), hash); err != nil {
			break
		}
		canceled++
	}
	if err == nil || canceled != maxCancels {
		t.Errorf("%d cancellations, %v", canceled, err)
	}
}

// TestRefusalsBeyondTheirRoom: when many bytes of refused transactions are kept, what is
// kept of further ones is short.
func TestRefusalsBeyondTheirRoom(t *testing.T) {
	w := newWorld(t, nil)
	w.refusedBytes.Store(maxRefusedBytes)
	w.node.failOnce("eth_sendRawTransaction", false, &saidError{-32000, "insufficient funds " + strings.Repeat("x", 1<<10), strings.Repeat("y", 1<<10)})
	w.wantError(t, "k", "insufficient funds")
	w.wantError(t, "k", "insufficient funds")
	listing, err := w.List(t.Context(), Filter{})
	if err != nil || len(listing.Transactions) != 1 {
		t.Fatalf("%+v, %v", listing, err)
	}
	tx := w.wantState(t, listing.Transactions[0].Hash, StateRejected)
	if len(tx.Raw) != 0 || tx.Refusal == nil || len(tx.Refusal.Text)+len(tx.Refusal.Data) > briefText {
		t.Errorf("%+v is kept", tx)
	}
}

// TestOneAccountLeavesRoom: what one account has under way leaves others some room.
func TestOneAccountLeavesRoom(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.MaxInFlight = 20 })
	busy := 0
	for i := range 30 {
		if _, err := w.Send(t.Context(), w.tx(t, `{"to":"%v","nonce":"%#x"}`, w.vault.address(1), 1000+i), ""); err != nil {
			busy++
		}
	}
	if busy < 15 {
		t.Errorf("%d were refused", busy)
	}
	w.mustSend(t, w.tx(t, `{"from":"%v","to":"%v"}`, w.vault.address(1), w.vault.address(1)), "")
}

// TestLastNonce: no transaction has the last nonce (EIP-2681), after which there is
// none.
func TestLastNonce(t *testing.T) {
	w := newWorld(t, nil)
	if _, err := w.Send(t.Context(), w.tx(t, `{"to":"%v","nonce":"0xffffffffffffffff"}`, w.vault.address(1)), ""); err == nil {
		t.Error("it is sent")
	}
}
