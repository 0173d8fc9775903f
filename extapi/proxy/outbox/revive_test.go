package outbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestRefusedAndMined: when a node has taken what it refused, its sender is told so
// before it pays again, and the transaction is followed.
func TestRefusedAndMined(t *testing.T) {
	for _, mined := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			for _, key := range []string{"", "k"} {
				t.Run(fmt.Sprintf("%v %v %q", mined, restart, key), func(t *testing.T) {
					w := newWorld(t, nil)
					w.mustSend(t, w.transfer(t, 9), "")
					w.node.failOnce("eth_sendRawTransaction", true, says("insufficient funds for gas * price + value"))
					w.wantError(t, key, "insufficient funds")
					if mined {
						w.block(t)
					}
					if restart {
						w.restart(t)
					}
					if key == "" {
						w.wantError(t, "", "transaction 0x")
					} else if _, err := w.Send(t.Context(), w.transfer(t, 5), ""); err == nil || !strings.Contains(err.Error(), "after all") {
						t.Errorf("another is told %v", err)
					}
					if n := w.vault.signatures(); n != 2 {
						t.Fatalf("%d signatures", n)
					}
					listing, err := w.List(t.Context(), Filter{InFlight: true})
					if err != nil || len(listing.Transactions) == 0 {
						t.Fatalf("%+v, %v", listing, err)
					}
					under := listing.Transactions[len(listing.Transactions)-1].Hash
					if key != "" {
						if again := w.mustSend(t, w.transfer(t, 1), key); again != under {
							t.Error("the key has another transaction")
						}
					}
					hash := w.mustSend(t, w.transfer(t, 2), "")
					for range 2 {
						w.step(t.Context())
						w.block(t)
					}
					w.wantState(t, under, StateMined)
					w.wantState(t, hash, StateMined)
					if n := len(w.node.minedOf(t, w.vault.address(0))); n != 3 {
						t.Errorf("%d mined", n)
					}
				})
			}
		}
	}
}

// TestRefusedAndSentAgain: what was refused, and is sent again as it was, is nothing
// that anybody must be told of.
func TestRefusedAndSentAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
	w.wantError(t, "", "insufficient funds")
	w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	w.mustSend(t, w.transfer(t, 2), "")
	if n := w.vault.signatures(); n != 3 {
		t.Errorf("%d signatures", n)
	}
}

// TestRefusedAndUntold: a node that can't tell whether it knows a refused transaction
// does not end the lane.
func TestRefusedAndUntold(t *testing.T) {
	w := newWorld(t, nil)
	w.node.failOnce("eth_sendRawTransaction", true, says("insufficient funds for gas * price + value"))
	w.wantError(t, "", "insufficient funds")
	w.block(t)
	for _, fault := range []error{errReset, says("transaction indexing is in progress")} {
		w.node.failOnce("eth_getTransactionByHash", false, fault)
		_, err := w.Send(t.Context(), w.transfer(t, 2), "")
		if told := err != nil; told != errors.Is(fault, errReset) {
			t.Errorf("after %v it is told %v", fault, err)
		}
	}
}

// TestRefusedAndDoubtful: that a refused transaction is under way is told and followed
// also if the records say nothing when that is kept.
func TestRefusedAndDoubtful(t *testing.T) {
	for _, made := range []bool{false, true} {
		records := &flaky{writes: -2, made: made}
		w := newWorld(t, func(w *world) { records.Records, w.records = w.records, records })
		w.node.failOnce("eth_sendRawTransaction", true, says("insufficient funds for gas * price + value"))
		w.wantError(t, "k", "insufficient funds")
		w.block(t)
		records.writes = 0
		w.wantError(t, "", "internal error")
		w.wantError(t, "", "transaction 0x")
		w.block(t)
		hash := w.mustSend(t, w.transfer(t, 1), "k")
		w.wantState(t, hash, StateMined)
	}
}
