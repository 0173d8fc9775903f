package outbox

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// TestKeys: a repeat of a request with its key has the same answer, in whatever
// spelling, and another request with that key is refused.
func TestKeys(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.mustSend(t, w.tx(t, `{"to":"%v","value":"0x1","data":"0xd0e30db0"}`, w.vault.address(1)), "invoice 7")
	w.block(t)
	w.restart(t)
	w.clock.move(time.Hour)
	again := w.mustSend(t, w.tx(t, `{"to":"%#x","value":"0x1","input":"0xD0E30DB0","gas":null}`, w.vault.address(1)), "invoice 7")
	if again != hash || w.vault.signatures() != 1 {
		t.Errorf("%v after %v, %d signatures", again, hash, w.vault.signatures())
	}
	for _, other := range []string{
		`{"to":"%v","value":"0x2","data":"0xd0e30db0"}`, `{"to":"%v","value":"0x1","data":"0xd0e30db0","nonce":"0x0"}`,
		`{"to":"%v","value":"0x1","data":"0xd0e30db0","accessList":[]}`, `{"to":"%v","value":"0x1","data":"0xd0e30db0","gas":"0x0"}`,
		`{"to":"%v","value":"0x1","data":"0xd0e30db0","chainId":"0x539"}`, `{"to":"%v","value":"0x1","data":"0xd0e30db1"}`,
	} {
		if _, err := w.Send(t.Context(), w.tx(t, other, w.vault.address(1)), "invoice 7"); err == nil || !strings.Contains(err.Error(), "another request") {
			t.Errorf("%s: %v", other, err)
		}
	}
	if _, err := w.Send(t.Context(), w.transfer(t, 1), strings.Repeat("k", 300)); err == nil {
		t.Error("a long key is taken")
	}
	if again := w.mustSend(t, w.transfer(t, 1), "invoice 8"); again == hash {
		t.Error("another key has the same transaction")
	}
}

// TestKeysTogether: one key signs once, however many ask at the same time.
func TestKeysTogether(t *testing.T) {
	w := newWorld(t, nil)
	var group sync.WaitGroup
	hashes := make(chan common.Hash, 50)
	for range 50 {
		partial := w.transfer(t, 1)
		group.Go(func() {
			if hash, err := w.Send(t.Context(), partial, "one"); err == nil {
				hashes <- hash
			}
		})
	}
	group.Wait()
	close(hashes)
	first, n := <-hashes, 1
	for hash := range hashes {
		if n++; hash != first {
			t.Error("two hashes")
		}
	}
	if n != 50 || w.vault.signatures() != 1 {
		t.Errorf("%d answers, %d signatures", n, w.vault.signatures())
	}
}

// TestKeysOfRefusals: a key is free again if certainly nothing was signed, and else
// has the same refusal for ever.
func TestKeysOfRefusals(t *testing.T) {
	w := newWorld(t, nil)
	w.vault.set(func(v *vault) { v.deny = func(*rules.Request) bool { return true } })
	w.wantError(t, "k", "request denied")
	w.vault.set(func(v *vault) { v.deny = nil })
	w.node.failOnce("eth_estimateGas", false, says("execution reverted"))
	w.wantError(t, "k", "execution reverted")

	w.vault.set(func(v *vault) { v.fail = func() error { return notSignedError{} } })
	w.wantError(t, "k", "internal error")
	w.vault.set(func(v *vault) { v.fail = nil })
	w.mustSend(t, w.transfer(t, 1), "k")

	w.vault.set(func(v *vault) { v.fail = func() error { return errors.New("the vault may have signed") } })
	w.wantError(t, "unclear", "internal error")
	w.vault.set(func(v *vault) { v.fail = nil })
	w.wantError(t, "unclear", "an earlier request with this idempotency key was begun")

	w.node.failOnce("eth_sendRawTransaction", false, says("insufficient funds for gas * price + value"))
	w.wantError(t, "poor", "insufficient funds")
	signed := w.vault.signatures()
	w.wantError(t, "poor", "insufficient funds")
	if w.vault.signatures() != signed {
		t.Error("it was signed again")
	}
}

// wantError sends a transfer of 1 with a key, which must fail.
func (w *world) wantError(t *testing.T, key, text string) {
	t.Helper()
	if _, err := w.Send(t.Context(), w.transfer(t, 1), key); err == nil || !strings.HasPrefix(err.Error(), text) {
		t.Errorf("it is told %v, want %s", err, text)
	}
}

// notSignedError is a vault's error that is certain.
type notSignedError struct{}

func (notSignedError) Error() string   { return "not signed" }
func (notSignedError) NotSigned() bool { return true }

// TestKeysWithTakenNonces: a key whose transaction got another nonce has the one that
// was sent.
func TestKeysWithTakenNonces(t *testing.T) {
	w := newWorld(t, nil)
	w.mustSend(t, w.transfer(t, 1), "")
	other := newWorld(t, func(o *world) { o.node = w.node; o.cfg.Node = batchNode{w.node} })
	other.mustSend(t, other.transfer(t, 10), "")
	hash := w.mustSend(t, w.transfer(t, 2), "k")
	w.restart(t)
	if again := w.mustSend(t, w.transfer(t, 2), "k"); again != hash {
		t.Error("two hashes")
	}
	w.wantState(t, hash, StateUnsure)
}

// TestTwoOutboxes: two that share their records never use a nonce twice.
func TestTwoOutboxes(t *testing.T) {
	w := newWorld(t, nil)
	other, err := New(t.Context(), w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		w.mustSend(t, w.transfer(t, i), fmt.Sprint("a", i))
		if _, err := other.Send(t.Context(), w.transfer(t, 100+i), fmt.Sprint("b", i)); err != nil {
			t.Fatal(err)
		}
	}
	w.block(t)
	if n := len(w.node.minedOf(t, w.vault.address(0))); n != 20 || w.node.pooled() != 0 {
		t.Errorf("%d mined, %d wait", n, w.node.pooled())
	}
}
