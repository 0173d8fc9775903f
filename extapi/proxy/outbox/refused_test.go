package outbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

const poor = "insufficient funds for gas * price + value"

// refused has the node refuse payments of others with the same nonce.
func (w *world) refused(t *testing.T, payments int) {
	t.Helper()
	for i := range payments {
		w.node.failOnce("eth_sendRawTransaction", false, says(poor))
		if _, err := w.Send(t.Context(), w.transfer(t, 1000+i), ""); err == nil || err.Error() != poor {
			t.Fatalf("payment %d: %v", i, err)
		}
	}
}

// TestManyRefused: who is refused is warned before it pays again, however many others were
// refused since, also after a restart: one of several nodes had taken it.
func TestManyRefused(t *testing.T) {
	for _, c := range []struct {
		others         int
		mined, restart bool
	}{{3, false, false}, {40, false, false}, {200, false, true}, {40, true, true}, {maxRefused + 20, true, false}, {5 * maxRefused, true, true}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			w := newWorld(t, nil)
			account := w.vault.address(0)
			w.mustSend(t, w.transfer(t, 1), "")
			w.block(t)
			w.node.failOnce("eth_sendRawTransaction", true, says(poor))
			if _, err := w.Send(t.Context(), w.transfer(t, 777), ""); err == nil {
				t.Fatal("it is not refused")
			}
			hidden := w.node.pool[account][1] // another node has it than those that answer
			w.node.set(func(n *fakeNode) { delete(n.pool[account], 1) })
			w.refused(t, c.others)
			w.node.set(func(n *fakeNode) { n.pool[account][1] = hidden })
			if c.mined {
				w.node.mine()
			}
			if c.restart {
				w.restart(t)
			}
			if hash, err := w.Send(t.Context(), w.transfer(t, 777), ""); err == nil || !strings.Contains(err.Error(), hidden.Hash().Hex()+", which the node refused before, is under way after all") {
				t.Errorf("it is told %v, %v", hash, err)
			}
			w.block(t)
			w.wantState(t, hidden.Hash(), StateMined)
			if n := len(w.node.minedOf(t, account)); n != 2 {
				t.Errorf("%d are mined", n)
			}
		})
	}
}

// TestRememberedAfterARestart: the newest ones are, and of what is final here as little as there
// is no room for.
func TestRememberedAfterARestart(t *testing.T) {
	w := newWorld(t, nil)
	l := w.book.lane(laneID{"1337", w.vault.address(0)})
	w.book.used(l, 9, true)
	older := make(olderRefused)
	hash := func(n int) common.Hash { return common.BigToHash(w.transfer(t, n).Value.ToInt()) }
	for i := range 20 * maxRefused { // by hash the newest come first
		older.add(l, refusedTx{nonce: 10, hash: hash(20*maxRefused - i), since: time.Unix(int64(20*maxRefused-i), 0)})
	}
	for i := range maxRefused {
		older.add(l, refusedTx{nonce: 9, hash: hash(100*maxRefused + i), since: time.Unix(1<<30, 0)})
	}
	older.remember(w.book)
	if n := len(l.refused); n != maxRefused {
		t.Fatalf("%d are remembered", n)
	}
	for i, r := range l.refused {
		if r.nonce != 10 || r.hash != hash(19*maxRefused+i+1) {
			t.Fatalf("number %d has nonce %d and is of %v", i, r.nonce, r.since.Unix())
		}
	}
}

// TestOneOfEachNonceIsRemembered: so that its block is looked into.
func TestOneOfEachNonceIsRemembered(t *testing.T) {
	w := newWorld(t, nil)
	l := w.book.lane(laneID{"1337", w.vault.address(0)})
	for i := range 3 * maxRefused {
		nonce := uint64(7)
		if i%maxRefused == 0 {
			nonce = uint64(i)
		}
		l.remember(refusedTx{nonce: nonce, hash: common.BigToHash(w.transfer(t, i).Value.ToInt())})
	}
	nonces := make(map[uint64]bool)
	for _, r := range l.refused {
		nonces[r.nonce] = true
	}
	if len(l.refused) != maxRefused || len(nonces) != 4 {
		t.Errorf("%d are remembered, of nonces %v", len(l.refused), nonces)
	}
}

// TestAskingForManyRefused: they are asked for at once, and now and then where a block has used
// their nonce.
func TestAskingForManyRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.refused(t, 2*batchSize)
	w.another(t, 0)
	w.node.mine()
	for i, want := range []int{2 * batchSize, 0, 2 * batchSize} {
		before, searches := w.node.called("eth_getTransactionByHash"), w.node.called("eth_blockNumber")
		w.mustSend(t, w.transfer(t, i), "")
		if n := w.node.called("eth_getTransactionByHash") - before; n != want {
			t.Errorf("with transaction %d %d are asked for", i, n)
		}
		if n := w.node.called("eth_blockNumber") - searches; n > 0 != (i == 0) {
			t.Errorf("with transaction %d %d blocks are looked for", i, n)
		}
		w.node.mine()
		w.step(t.Context())
		if i == 1 {
			w.clock.move(againUntold)
		}
	}
}
