package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// referring refers transactions of more than 100 wei to people.
type referring struct{}

func (referring) Evaluate(_ context.Context, req *rules.Request) (rules.Decision, rules.Hold, error) {
	if req.Transaction.Value().Cmp(big.NewInt(100)) <= 0 {
		return rules.Decision{Verdict: rules.Approve, Rule: "small"}, nil, nil
	}
	quorum := &rules.Quorum{Group: "finance", Threshold: 1, Of: []string{"alice"}, Expires: time.Hour, Wait: time.Minute}
	return rules.Decision{Verdict: rules.Refer, Rule: "large", Quorums: []*rules.Quorum{quorum}}, nil, nil
}

// unwritten is a journal that nobody reads.
type unwritten struct{}

func (unwritten) Record(context.Context, approval.Event) error { return nil }

// asking is a world in which people approve.
func asking(t *testing.T) (*world, *approval.Queue) {
	t.Helper()
	w, queues := askingReplicas(t, 1, memory.NewRecords(), nil)
	return w[0], queues[0]
}

// askingReplicas are processes on the same records, in which people approve; with shared
// nil the last one alone may be used.
func askingReplicas(t *testing.T, n int, records rules.Records, shared rules.Shared) (replicas []*world, queues []*approval.Queue) {
	t.Helper()
	first := newWorld(t, func(w *world) { w.records, w.cfg.Records, w.cfg.Shared = records, records, shared })
	for range n {
		w := *first
		queues = append(queues, w.ask(t))
		replicas = append(replicas, &w)
	}
	return replicas, queues
}

// ask starts the outbox again, as another process would, with people who approve.
func (w *world) ask(t *testing.T) *approval.Queue {
	t.Helper()
	queue, err := approval.New(t.Context(), approval.Config{
		Records: w.records, Shared: w.cfg.Shared, Journal: unwritten{}, Logger: slog.New(slog.DiscardHandler), Clock: w.clock.time,
		SamePerson: func(string, string, string) bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	account, err := extapi.NewAccount(extapi.Config{
		Decider: &rules.Engine{Rules: []rules.Rule{referring{}}, Approver: queue}, Signer: w.vault, Auditor: w.vault, ChainIDs: w.cfg.ChainIDs, Logger: w.cfg.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Signer = extapi.NewSignatory(account)
	w.restart(t)
	return queue
}

// ticketFor sends, and returns the ticket that the caller is told of.
func (w *world) ticketFor(t *testing.T, partial *extapi.PartialTransaction, key string) string {
	t.Helper()
	_, err := w.Send(t.Context(), partial, key)
	var ticket interface{ Ticket() string }
	if !errors.As(err, &ticket) || ticket.Ticket() == "" {
		t.Fatalf("no ticket: %v", err)
	}
	return ticket.Ticket()
}

func approve(t *testing.T, queue *approval.Queue, id string) {
	t.Helper()
	ticket, err := queue.Ticket(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queue.Vote(t.Context(), approval.Ballot{Ticket: id, Hash: ticket.Hash, Person: "alice", Approve: true, Way: "test"}); err != nil {
		t.Fatal(err)
	}
}

// TestPeopleApprove: a request that is made again is the one that people were asked
// about, though fees have moved, and it is sent once. Nobody else waits for people.
func TestPeopleApprove(t *testing.T) {
	for name, key := range map[string]string{"without a key": "", "with a key": "k"} {
		t.Run(name, func(t *testing.T) {
			w, queue := asking(t)
			large := w.transfer(t, 1000)
			id := w.ticketFor(t, large, key)
			w.node.set(func(n *fakeNode) { n.base.Mul(n.base, big.NewInt(3)) })
			w.clock.move(time.Minute)
			if again := w.ticketFor(t, large, key); again != id {
				t.Fatalf("another ticket for the same request: %s, %s", id, again)
			}
			approve(t, queue, id)
			hash := w.mustSend(t, large, key)
			w.wantState(t, hash, StateSent)
			if key != "" {
				if same := w.mustSend(t, large, key); same != hash {
					t.Error("the same key was sent twice")
				}
				return
			}
			if second := w.ticketFor(t, large, key); second == id {
				t.Error("one approval is for two payments")
			}
		})
	}
}

// TestPeopleAreSlow: an account goes on while people think, and what they approved
// with a nonce that is gone is put to them anew.
func TestPeopleAreSlow(t *testing.T) {
	w, queue := asking(t)
	large := w.transfer(t, 1000)
	id := w.ticketFor(t, large, "")
	w.mustSend(t, w.transfer(t, 1), "")
	approve(t, queue, id)
	other := w.ticketFor(t, large, "")
	if other == id {
		t.Fatal("the ticket is for another nonce")
	}
	approve(t, queue, other)
	hash := w.mustSend(t, large, "")
	if tx := w.wantState(t, hash, StateSent); tx.Nonce != 1 {
		t.Errorf("nonce %d", tx.Nonce)
	}
	if n := w.vault.signatures(); n != 2 {
		t.Errorf("%d signatures", n)
	}
}

// TestPeopleAndGaps: also where a nonce is missing that the next transaction gets, a
// request that is made again is the one that people were asked about.
func TestPeopleAndGaps(t *testing.T) {
	w, queue := asking(t)
	w.mustSend(t, w.tx(t, `{"to":"%v","nonce":"0x2"}`, w.vault.address(1)), "")
	l := w.book.lane(laneID{"1337", w.vault.address(0)})
	l.move(3) // as after a count that was wrong
	for range patienceGap + 1 {
		w.block(t)
	}
	large := w.transfer(t, 1000)
	id := w.ticketFor(t, large, "")
	w.node.set(func(n *fakeNode) { n.base.Mul(n.base, big.NewInt(3)) })
	w.clock.move(time.Minute)
	approve(t, queue, id)
	if tx := w.wantState(t, w.mustSend(t, large, ""), StateSent); tx.Nonce != 0 {
		t.Errorf("nonce %d", tx.Nonce)
	}
}
