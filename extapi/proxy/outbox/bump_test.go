package outbox

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// TestBumpOfFreeGas: fees of nothing are raised too.
func TestBumpOfFreeGas(t *testing.T) {
	w := newWorld(t, nil)
	w.node.set(func(n *fakeNode) { n.base, n.tip = new(big.Int), 0 })
	hash := w.mustSend(t, w.transfer(t, 1), "")
	bumped, err := w.Bump(t.Context(), hash, 0)
	if err != nil || bumped == hash {
		t.Fatalf("%v is raised to %v, %v", hash, bumped, err)
	}
	if tx, err := w.Show(t.Context(), bumped); err != nil || tx.TipCap.Sign() == 0 || tx.FeeCap.Cmp(tx.TipCap) < 0 {
		t.Errorf("%+v, %v", tx, err)
	}
}

// TestBumpWithClockBack: the newest of a nonce is the one that was made last, also if
// the clock went back.
func TestBumpWithClockBack(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.clock.move(-time.Hour)
	bumped, err := w.Bump(t.Context(), hash, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.node.restart()
	w.restart(t)
	w.step(t.Context())
	w.block(t)
	w.wantState(t, bumped, StateMined)
}

// TestBumpWithAbsurdFees: a node whose fees are beyond all numbers makes an error.
func TestBumpWithAbsurdFees(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	w.node.set(func(n *fakeNode) { n.base = new(big.Int).Sub(new(big.Int).Lsh(common.Big1, 256), common.Big1) })
	w.clock.move(time.Minute)
	if _, err := w.Bump(t.Context(), hash, 0); err == nil {
		t.Error("it is raised")
	}
	if _, err := w.Cancel(t.Context(), hash); err == nil {
		t.Error("it is cancelled")
	}
	if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err == nil {
		t.Error("it is sent")
	}
}

// TestCancelledIsNotSentAgain: a node that does not take the cancellation for now is
// not given what was cancelled in its place.
func TestCancelledIsNotSentAgain(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	canceled, err := w.Cancel(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"limit exceeded", "txpool is full"} {
		w.node.restart()
		w.restart(t)
		w.node.failOnce("eth_sendRawTransaction", false, says("%s", text))
		w.clock.move(time.Hour)
		w.step(t.Context())
		if w.node.pooled() != 0 {
			t.Fatalf("%s: what was cancelled is sent", text)
		}
	}
	w.clock.move(time.Hour)
	w.step(t.Context())
	w.block(t)
	w.wantState(t, canceled, StateMined)
	w.wantState(t, hash, StateReplaced)
}

// TestRaisedAfterCancel: who raises the fees of what was cancelled wants it after all.
func TestRaisedAfterCancel(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.transfer(t, 1), "")
	if _, err := w.Cancel(t.Context(), hash); err != nil {
		t.Fatal(err)
	}
	raised, err := w.Bump(t.Context(), hash, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.node.restart()
	w.restart(t)
	w.step(t.Context())
	w.block(t)
	w.wantState(t, raised, StateMined)
}

// TestBumpBlobsTwice: fees of a transaction with blobs are raised again and again by its first
// hash, as they are by the newest.
func TestBumpBlobsTwice(t *testing.T) {
	w := newWorld(t, nil)
	given := w.tx(t, `{"to":"%v","gas":"0xffff","blobs":["0x%s"],"maxFeePerBlobGas":"0x3e8"}`, w.vault.address(1), strings.Repeat("00", 128<<10))
	hash, before := w.mustSend(t, given, ""), int64(1000)
	for i := range 3 {
		bumped, err := w.Bump(t.Context(), hash, 0)
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.recordOf(t.Context(), bumped)
		if err != nil {
			t.Fatal(err)
		}
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(r.Bytes); err != nil {
			t.Fatal(err)
		}
		if now := tx.BlobGasFeeCap().Int64(); now < 2*before {
			t.Errorf("bump %d raises the blobs' cap from %d to %d", i, before, now)
		} else {
			before = now
		}
	}
}
