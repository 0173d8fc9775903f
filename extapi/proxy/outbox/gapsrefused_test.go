package outbox

import (
	"strings"
	"testing"
)

// TestGapBelowWhatWasRefused: before a lane has a nonce that is missing, it is told of a
// transaction above it that one node refused and another took. Else its sender would pay with
// the missing nonce, and then again, as the gap below the first payment is filled.
func TestGapBelowWhatWasRefused(t *testing.T) {
	for name, underWay := range map[string]bool{"goes back": false, "gap in flight": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.mustSend(t, w.transfer(t, 1), "")
			for range 14 {
				w.block(t)
			}
			account := w.vault.address(0)
			w.another(t, 1) // which the node counts, and drops
			w.another(t, 2)
			if underWay {
				w.mustSend(t, w.transfer(t, 3), "")
			}
			w.node.failOnce("eth_sendRawTransaction", true, says("insufficient funds for gas * price + value"))
			pay := func(key, text string) {
				if _, err := w.Send(t.Context(), w.transfer(t, 777), key); err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("it is told %v, want %s", err, text)
				}
			}
			pay("k", "insufficient funds")
			w.node.set(func(n *fakeNode) { delete(n.pool[account], 1); delete(n.pool[account], 2) })
			for range patienceGap + 1 {
				w.block(t)
			}
			signed := w.vault.signatures()
			pay("k2", "which the node refused before, is under way after all")
			if n := w.vault.signatures() - signed; n != 0 {
				t.Errorf("%d are signed", n)
			}
			for i := range 2 {
				w.mustSend(t, w.transfer(t, 20+i), "")
			}
			w.block(t)
			paid := 0
			mined := w.node.minedOf(t, account)
			for _, tx := range mined {
				if tx.Value().Int64() == 777 {
					paid++
				}
			}
			if paid != 1 || w.node.pooled() != 0 {
				t.Errorf("of %d it is mined %d times, %d wait", len(mined), paid, w.node.pooled())
			}
		})
	}
}
