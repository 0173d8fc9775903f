package outbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestPeopleAndCrash: wherever the process ends that a caller asked, what people approve is
// paid once, by the other process that it asks then, and what is sent after it has the
// next nonce.
func TestPeopleAndCrash(t *testing.T) {
	ended := false
	for lives := 0; !ended; lives++ {
		if lives > 40 {
			t.Fatal("there is no end")
		}
		for _, made := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %v", lives, made), func(t *testing.T) {
				records := memory.NewRecords()
				replicas, queues := askingReplicas(t, 2, records, records)
				one, other := replicas[0], replicas[1]
				store := &mortal{Records: records, lives: lives, made: made}
				one.records, one.cfg.Records = store, store
				one.ask(t)

				large := one.transfer(t, 1000)
				if _, err := one.Send(t.Context(), large, "k"); err == nil {
					t.Fatal("nobody was asked")
				} else if id := ticketOf(err); id != "" {
					one.dearer()
					switch _, err := other.Send(t.Context(), large, "k"); {
					case ticketOf(err) == id:
						approve(t, queues[1], id)
					case !strings.Contains(fmt.Sprint(err), "idempotency key"): // which may still be in the other's hand
						t.Errorf("people are asked again: %v", err)
					}
				}
				first, err := one.Send(t.Context(), large, "k")
				ended = err == nil && !store.dead
				one.dearer()

				hash := other.insist(t, queues[1])
				if err == nil && hash != first {
					t.Errorf("%v after %v", hash, first)
				}
				small := other.mustSend(t, other.transfer(t, 1), "")
				mineAll(t, replicas[1:])
				wantChain(t, other, map[common.Hash]bool{hash: true, small: true})
				other.node.set(func(n *fakeNode) {
					if nonce := n.blocks[len(n.blocks)-1].counts[other.vault.address(0)]; nonce != 2 {
						t.Errorf("%d nonces are used", nonce)
					}
				})
			})
		}
	}
}

// insist asks until the payment is under way, as a caller that wants to pay once: with the
// same key, or with another if it is told that nothing is under way for that. People approve
// whatever they are asked.
func (w *world) insist(t *testing.T, queue *approval.Queue) common.Hash {
	t.Helper()
	key := "k"
	var last error
	for range 20 {
		hash, err := w.Send(t.Context(), w.transfer(t, 1000), key)
		last = err
		switch id := ticketOf(err); {
		case err == nil:
			return hash
		case strings.Contains(err.Error(), "nothing of it is under way"):
			key += "'"
		case strings.Contains(err.Error(), "waits for"):
			approve(t, queue, id)
		default: // a dead process had it in hand, or had used the approval
			w.clock.move(11 * time.Minute)
		}
	}
	t.Fatalf("it can't be paid: %v", last)
	return common.Hash{}
}

// ticketOf returns the ticket that an error names, "" if it names none.
func ticketOf(err error) string {
	var ticket interface{ Ticket() string }
	if !errors.As(err, &ticket) {
		return ""
	}
	return ticket.Ticket()
}
