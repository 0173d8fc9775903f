package outbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
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

// refusedAndTried has a payment of 5 with a key refused by a node that took it, and the
// second try, with another nonce, fail after something may have been signed.
func (w *world) refusedAndTried(t *testing.T) {
	t.Helper()
	w.mustSend(t, w.transfer(t, 9), "")
	w.block(t)
	w.block(t)
	signs := 0
	w.vault.set(func(v *vault) {
		v.fail = func() error {
			if signs++; signs == 2 {
				return errors.New("the vault is away")
			}
			return nil
		}
	})
	w.node.failOnce("eth_sendRawTransaction", true, says("replacement transaction underpriced"))
	w.node.set(func(n *fakeNode) { n.lag = 1 }) // it counts it, and does not know it yet
	if hash, err := w.Send(t.Context(), w.transfer(t, 5), "k"); err == nil {
		t.Fatalf("it is told %v", hash)
	}
	w.node.set(func(n *fakeNode) { n.lag = 0 })
	w.vault.set(func(v *vault) { v.fail = nil })
}

// TestTriedAgainAndAlive: nobody is told that nothing of a request is under way while its
// first transaction is, whoever notices it, and when.
func TestTriedAgainAndAlive(t *testing.T) {
	for _, mined := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			for _, others := range []bool{false, true} {
				for _, shared := range []bool{false, true} {
					t.Run(fmt.Sprintf("mined %v, restart %v, others %v, shared %v", mined, restart, others, shared), func(t *testing.T) {
						replicas := []*world{nil}
						if shared {
							replicas = newReplicas(t, 2, nil)
						} else {
							replicas[0] = newWorld(t, nil)
						}
						w := replicas[0]
						w.refusedAndTried(t)
						w = replicas[len(replicas)-1]
						w.clock.move(w.Outbox.cfg.Patience)
						if mined {
							w.block(t)
						}
						if restart {
							w.restart(t)
						}
						if others {
							if _, err := w.Send(t.Context(), w.transfer(t, 1), ""); err == nil || !strings.Contains(err.Error(), "after all") {
								t.Errorf("another is told %v", err)
							}
						}
						hash := w.mustSend(t, w.transfer(t, 5), "k")
						if again := w.mustSend(t, w.transfer(t, 5), "k"); again != hash {
							t.Errorf("%v, and then %v", hash, again)
						}
						for range 2 {
							w.step(t.Context())
							w.block(t)
						}
						w.wantState(t, hash, StateMined)
						if n := len(w.node.minedOf(t, w.vault.address(0))); n != 2 {
							t.Errorf("%d are mined", n)
						}
					})
				}
			}
		}
	}
}

// TestTriedAgainAndDead: a key whose first transaction the node does not know is told so,
// with its hash, and not while the node gives no answer.
func TestTriedAgainAndDead(t *testing.T) {
	w := newWorld(t, nil)
	w.refusedAndTried(t)
	w.node.restart()
	w.node.failOnce("eth_getTransactionByHash", false, errReset)
	if _, err := w.Send(t.Context(), w.transfer(t, 5), "k"); err == nil || !strings.HasPrefix(err.Error(), "the node ") {
		t.Errorf("it is told %v", err)
	}
	_, err := w.Send(t.Context(), w.transfer(t, 5), "k")
	if err == nil || !strings.HasPrefix(err.Error(), unfinished) || !strings.Contains(err.Error(), "the node refused transaction 0x") {
		t.Errorf("it is told %v", err)
	}
}

// TestRefusedLate: a refused transaction that no node knows yet, though its nonce is used,
// is looked for until that has been so for a while.
func TestRefusedLate(t *testing.T) {
	for _, late := range []bool{false, true} {
		w := newWorld(t, func(w *world) { w.cfg.Node = blindNode{w.node} }) // a block would tell at once
		w.mustSend(t, w.transfer(t, 9), "")
		w.block(t)
		w.node.failOnce("eth_sendRawTransaction", true, says("insufficient funds for gas * price + value"))
		w.wantError(t, "k", "insufficient funds")
		w.block(t)
		hide := func(hidden bool) {
			w.node.set(func(n *fakeNode) {
				n.fault = nil
				if hidden {
					n.fault = func(method string, params []any) (bool, error) {
						if method == "eth_getTransactionByHash" {
							params[0] = common.Hash{}
						}
						return false, nil
					}
				}
			})
		}
		hide(true)
		w.mustSend(t, w.transfer(t, 2), "")
		w.block(t)
		if late {
			w.clock.move(patienceSettled)
		}
		w.mustSend(t, w.transfer(t, 3), "")
		w.block(t)
		hide(false)
		_, err := w.Send(t.Context(), w.transfer(t, 4), "")
		if told := err != nil && strings.Contains(err.Error(), "after all"); told == late {
			t.Errorf("late %v: it is told %v", late, err)
		}
		w.mustSend(t, w.transfer(t, 1), "k") // which asks for it itself
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
	w := newWorld(t, func(w *world) { w.cfg.Node = blindNode{w.node} })
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

// TestRefusedAfterATry: the retry of a payment whose second try the node refused gets the
// hash of the first, which it took all the same, also at another replica.
func TestRefusedAfterATry(t *testing.T) {
	for _, mined := range []bool{false, true} {
		for _, other := range []string{"", "restart", "replica"} {
			t.Run(fmt.Sprintf("mined %v, %s", mined, other), func(t *testing.T) {
				replicas := newReplicas(t, 2, nil)
				w := replicas[0]
				sends := 0
				w.node.set(func(n *fakeNode) {
					n.fault = func(method string, _ []any) (bool, error) {
						if method != "eth_sendRawTransaction" {
							return false, nil
						}
						if sends++; sends == 1 {
							n.lag = 1 // it counts it, and does not know it yet
							return true, says("replacement transaction underpriced")
						}
						return false, says("insufficient funds for gas * price + value")
					}
				})
				w.wantError(t, "k", "insufficient funds")
				w.node.set(func(n *fakeNode) { n.lag, n.fault = 0, nil })
				if mined {
					w.node.mine()
				}
				switch other {
				case "restart":
					w.restart(t)
				case "replica":
					w = replicas[1]
				}
				hash := w.mustSend(t, w.transfer(t, 1), "k")
				if again := w.mustSend(t, w.transfer(t, 1), "k"); again != hash {
					t.Errorf("%v, and then %v", hash, again)
				}
				w.block(t)
				w.block(t)
				if tx := w.wantState(t, hash, StateMined); tx.Nonce != 0 {
					t.Errorf("it has nonce %d", tx.Nonce)
				}
			})
		}
	}
}

// lateNode is a gateway whose node that is asked for hashes is a block behind.
func lateNode(w *world) { w.cfg.Node = split{scattered{w.node}} }

// TestRefusedAndInABlock: that a node does not know the hash of a transaction which another
// one refused is no proof that it is not the one that has used its nonce. The block tells.
func TestRefusedAndInABlock(t *testing.T) {
	for _, key := range []string{"", "k"} {
		w := newWorld(t, lateNode)
		w.node.failOnce("eth_sendRawTransaction", true, says("insufficient funds for gas * price + value"))
		w.wantError(t, key, "insufficient funds")
		w.node.mine()
		if key == "" {
			w.wantError(t, key, "transaction 0x")
		} else {
			w.mustSend(t, w.transfer(t, 1), key)
		}
		w.block(t)
		if n := len(w.node.minedOf(t, w.vault.address(0))); n != 1 || w.vault.signatures() != 1 {
			t.Errorf("key %q: it was paid %d times, with %d signatures", key, n, w.vault.signatures())
		}
	}
}

// TestRefusedAndUserOfNonce: where a transaction finds its nonce used, and the block names one
// that was refused before, its sender is told, and no other is signed.
func TestRefusedAndUserOfNonce(t *testing.T) {
	for _, nonce := range []string{"", `,"nonce":"0x0"`} {
		w := newWorld(t, lateNode)
		account := w.vault.address(0)
		send := func() error {
			_, err := w.Send(t.Context(), w.tx(t, `{"to":"%v","value":"0x5"%s}`, w.vault.address(1), nonce), "")
			return err
		}
		w.node.failOnce("eth_sendRawTransaction", true, says("insufficient funds for gas * price + value"))
		if err := send(); err == nil {
			t.Fatal("it is not refused")
		}
		first := w.node.pool[account][0]
		w.clock.move(2 * time.Second)
		w.node.set(func(n *fakeNode) { // so that the second is another one
			n.tip = 3_000_000_000
			delete(n.pool[account], 0)
		})
		w.vault.set(func(v *vault) {
			v.fail = func() error { // between its numbering and its sending the first is mined
				w.node.set(func(n *fakeNode) { n.pool[account][0] = first })
				w.node.mine()
				v.fail = nil
				return nil
			}
		})
		if err := send(); err == nil || !strings.Contains(err.Error(), first.Hash().Hex()+", which the node refused before, is under way after all") {
			t.Errorf("nonce %q: it is told %v", nonce, err)
		}
		for range 4 {
			w.block(t)
		}
		w.wantState(t, first.Hash(), StateMined)
		if n := len(w.node.minedOf(t, account)); n != 1 || w.vault.signatures() != 2 {
			t.Errorf("nonce %q: it was paid %d times, with %d signatures", nonce, n, w.vault.signatures())
		}
	}
}
