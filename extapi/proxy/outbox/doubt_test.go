package outbox

import (
	"fmt"
	"strings"
	"testing"
)

// TestDoubt: while it is not known what became of a transaction, or of its refusal,
// nothing else of the account is sent; when the records can be read again, what they
// tell holds.
func TestDoubt(t *testing.T) {
	for lives := range 2 { // its keeping, its refusal
		for _, made := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %v", lives, made), func(t *testing.T) {
				w := newWorld(t, nil)
				store := &mortal{Records: w.records, lives: lives, made: made, but: prefixDrafts}
				w.cfg.Records = store
				w.restart(t)
				w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
				if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err == nil || !strings.HasPrefix(err.Error(), "it is not known") {
					t.Fatalf("it is told %v", err)
				}
				w.node.set(func(n *fakeNode) { n.fault = nil })
				if _, err := w.Send(t.Context(), w.transfer(t, 2), ""); err == nil || !strings.HasPrefix(err.Error(), "the signer's records can't be read") {
					t.Fatalf("it is told %v", err)
				}
				store.mu.Lock()
				store.dead, store.lives = false, -1
				store.mu.Unlock()
				w.mustSend(t, w.transfer(t, 3), "")
				w.step(t.Context())
				w.block(t)
				mined := len(w.node.minedOf(t, w.vault.address(0)))
				want := 1
				if lives == 0 == made { // it was kept, and no refusal of it
					want = 2
				}
				if mined != want || w.node.pooled() != 0 {
					t.Errorf("%d mined, want %d; %d wait", mined, want, w.node.pooled())
				}
				if inFlight, _ := w.book.load(); inFlight != 0 {
					t.Errorf("%d under way", inFlight)
				}
			})
		}
	}
}

// TestDoubtIsSettled: a transaction that was kept is sent also if nobody sends another
// of its account.
func TestDoubtIsSettled(t *testing.T) {
	w := newWorld(t, nil)
	store := &mortal{Records: w.records, made: true, lives: 1}
	w.cfg.Records = store
	w.restart(t)
	w.wantError(t, "k", "it is not known")
	store.mu.Lock()
	store.dead, store.lives = false, -1
	store.mu.Unlock()
	hash := w.mustSend(t, w.transfer(t, 1), "k")
	for range 2 {
		w.step(t.Context())
		w.block(t)
	}
	w.wantState(t, hash, StateMined)
}
