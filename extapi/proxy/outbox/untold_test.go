package outbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// refusedAndTaken has a node refuse a payment of 777 of somebody and take it all the same.
func (w *world) refusedAndTaken(t *testing.T, principal, key string) common.Hash {
	t.Helper()
	w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	w.node.failOnce("eth_sendRawTransaction", true, says(poor))
	if _, err := w.Send(as(t, principal), w.transfer(t, 777), key); err == nil || err.Error() != poor {
		t.Fatalf("it is told %v", err)
	}
	return w.node.pool[w.vault.address(0)][1].Hash()
}

// wantWarning has the payment of 777 sent again, and its sender warned.
func (w *world) wantWarning(t *testing.T, principal string, of common.Hash) {
	t.Helper()
	if hash, err := w.Send(as(t, principal), w.transfer(t, 777), ""); err == nil || !strings.Contains(err.Error(), of.Hex()+", which the node refused before, is under way after all") {
		t.Errorf("its sender is told %v, %v", hash, err)
	}
}

// TestWarnedIsWhoSent: that a transaction is under way after all is told to its sender before
// it pays again, whoever found it before: by filling one in, signing one or sending another, here
// or at another replica, and before a restart.
func TestWarnedIsWhoSent(t *testing.T) {
	for name, find := range map[string]func(w *world) error{
		"nobody": func(*world) error { return nil },
		"filled": func(w *world) error {
			_, err := w.Fill(as(t, "other"), w.transfer(t, 5))
			return err
		},
		"signed": func(w *world) error {
			_, err := w.Sign(as(t, "other"), "eth_signTransaction", w.transfer(t, 5))
			return err
		},
		"sent": func(w *world) error {
			_, err := w.Send(as(t, "other"), w.transfer(t, 5), "")
			return err
		},
		"sent with its nonce": func(w *world) error {
			_, err := w.Send(as(t, "other"), w.tx(t, `{"to":"%v","value":"0x5","nonce":"0x2"}`, w.vault.address(1)), "")
			return err
		},
	} {
		for _, then := range []string{"", "restart", "replica"} {
			t.Run(fmt.Sprintf("%s %s", name, then), func(t *testing.T) {
				replicas := newReplicas(t, 2, nil)
				w := replicas[0]
				hash := w.refusedAndTaken(t, "payer", "")
				if err := find(w); err != nil {
					t.Fatal(err)
				}
				switch then {
				case "restart":
					w.restart(t)
				case "replica":
					w = replicas[1]
				}
				w.wantWarning(t, "payer", hash)
				if then == "restart" {
					w.restart(t)
				}
				if _, err := w.Send(as(t, "payer"), w.transfer(t, 6), ""); err != nil {
					t.Errorf("it is told again: %v", err)
				}
				for range 2 {
					w.block(t)
				}
				w.wantState(t, hash, StateMined)
			})
		}
	}
}

// TestWarnedWithoutAName: of what somebody without a name sent, whoever sends next is told.
func TestWarnedWithoutAName(t *testing.T) {
	w := newWorld(t, nil)
	hash := w.refusedAndTaken(t, "", "")
	if _, err := w.Fill(t.Context(), w.transfer(t, 5)); err != nil {
		t.Fatal(err)
	}
	w.wantWarning(t, "other", hash)
	w.mustSend(t, w.transfer(t, 777), "")
}

// TestNotWarnedOfWhatItKnows: who was told the hash by its key is not refused another payment.
func TestNotWarnedOfWhatItKnows(t *testing.T) {
	for _, found := range []bool{false, true} {
		w := newWorld(t, nil)
		hash := w.refusedAndTaken(t, "", "k")
		if _, err := w.Fill(t.Context(), w.transfer(t, 5)); found && err != nil {
			t.Fatal(err)
		}
		if again := w.mustSend(t, w.transfer(t, 777), "k"); again != hash {
			t.Errorf("the key has %v", again)
		}
		w.mustSend(t, w.transfer(t, 6), "")
		w.restart(t)
		w.mustSend(t, w.transfer(t, 7), "")
	}
}

// TestWarnedOfSeveral: one warning names all of its sender.
func TestWarnedOfSeveral(t *testing.T) {
	w := newWorld(t, nil)
	account := w.vault.address(0)
	var names []string
	taken := make(map[uint64]*types.Transaction)
	for i := range uint64(3) {
		w.node.failOnce("eth_sendRawTransaction", true, says(poor))
		if _, err := w.Send(t.Context(), w.tx(t, `{"to":"%v","value":"0x5","nonce":"%#x"}`, w.vault.address(1), i), ""); err == nil || err.Error() != poor {
			t.Fatalf("it is told %v", err)
		}
		w.node.set(func(n *fakeNode) { // it is another node that has it
			taken[i] = n.pool[account][i]
			delete(n.pool[account], i)
		})
		names = append(names, taken[i].Hash().Hex())
	}
	w.node.set(func(n *fakeNode) { n.pool[account] = taken })
	_, err := w.Send(t.Context(), w.transfer(t, 777), "")
	for _, name := range names {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("it is told %v", err)
		}
	}
	w.mustSend(t, w.transfer(t, 777), "")
}

// TestFoundWhileANonceIsMissing: who sends when a refused transaction is found gets the nonce that
// is missing, and all are mined.
func TestFoundWhileANonceIsMissing(t *testing.T) {
	w := newWorld(t, nil)
	account := w.vault.address(0)
	w.mustSend(t, w.transfer(t, 1), "")
	w.block(t)
	w.another(t, 0) // another sender has nonce 1
	w.mustSend(t, w.transfer(t, 2), "")
	w.mustSend(t, w.transfer(t, 3), "")
	w.node.failOnce("eth_sendRawTransaction", true, says(poor))
	if _, err := w.Send(as(t, "payer"), w.transfer(t, 777), ""); err == nil {
		t.Fatal("it is not refused")
	}
	hash := w.node.pool[account][4].Hash()
	w.node.set(func(n *fakeNode) { delete(n.pool[account], 1) })
	for range patienceGap + 2 {
		w.block(t)
	}
	other, err := w.Send(as(t, "other"), w.transfer(t, 5), "")
	if err != nil {
		t.Fatal(err)
	}
	if tx, err := w.Show(t.Context(), other); err != nil || tx.Nonce != 1 {
		t.Errorf("the next has nonce %d, and 1 is missing: %v", tx.Nonce, err)
	}
	w.block(t)
	if mined := w.node.minedOf(t, account); len(mined) != 5 {
		t.Errorf("%d are mined, not 5", len(mined))
	}
	w.wantWarning(t, "payer", hash)
}

// TestWarningsOutlastOthers: a replica that has learned of a transaction whose sender is to be
// told forgets it for none of others that are refused.
func TestWarningsOutlastOthers(t *testing.T) {
	replicas := newReplicas(t, 2, nil)
	w, other := replicas[0], replicas[1]
	hash := w.refusedAndTaken(t, "payer", "")
	if _, err := w.Send(as(t, "other"), w.transfer(t, 5), ""); err != nil { // finds it
		t.Fatal(err)
	}
	w.block(t)
	other.step(t.Context())
	for i := range maxRefused + 1 {
		if _, err := w.Send(as(t, "other"), w.tx(t, `{"to":"%v","value":"%#x","nonce":"0x1"}`, w.vault.address(1), 10000+i), ""); err == nil {
			t.Fatal("not refused")
		}
	}
	other.step(t.Context())
	other.wantWarning(t, "payer", hash)
}
