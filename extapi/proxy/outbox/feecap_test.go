package outbox

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/params"
)

// TestFeeCap: a node that lies about the market costs no more than the bound, also by
// a replacement, and nothing of a transaction beyond it is signed.
func TestFeeCap(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.FeeCap = big.NewInt(params.Ether) })
	hash := w.mustSend(t, w.transfer(t, 1), "")
	signed := w.vault.signatures()
	w.node.set(func(n *fakeNode) { n.tip = 60_000 * params.GWei })
	w.clock.move(time.Minute)
	const want = "tx fee (1.26 ether) exceeds the configured cap (1.00 ether)"
	if _, err := w.Send(t.Context(), w.transfer(t, 2), ""); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := w.Bump(t.Context(), hash, 0); err == nil {
		t.Error("a replacement costs more than the bound")
	}
	if _, err := w.Sign(t.Context(), "eth_signTransaction", w.transfer(t, 2)); err == nil {
		t.Error("it is signed, and not sent")
	}
	if n := w.vault.signatures(); n != signed {
		t.Errorf("%d signatures, want %d", n, signed)
	}
	given := w.tx(t, `{"to":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","gas":"0x5208","value":"0x1","gasPrice":"0x2d79883d20000"}`)
	if _, err := w.Send(t.Context(), given, ""); err == nil {
		t.Error("a price that the caller gives costs more than the bound")
	}
}
