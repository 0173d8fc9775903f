package approval_test

import (
	"context"
	"errors"
	"log/slog"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

var errBoom = errors.New("boom")

// clock is a clock that is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// journal keeps what it is told, and fails for some of it.
type journal struct {
	mu      sync.Mutex
	events  []approval.Event
	failing approval.What
}

func (j *journal) Record(ctx context.Context, event approval.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if event.What == j.failing {
		return errBoom
	}
	j.events = append(j.events, event)
	return nil
}

// told is what the journal was told, with a mark where a vote did not count.
func (j *journal) told() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []string
	for _, event := range j.events {
		text := string(event.What)
		if event.Error != "" {
			text += "!"
		}
		all = append(all, text)
	}
	return all
}

// house is a queue and all that stands around it.
type house struct {
	*approval.Queue
	records *memory.Records
	ledger  *memory.Ledger
	journal *journal
	clock   *clock
	policy  common.Hash // in force
}

func newHouse(t testing.TB, change func(*approval.Config)) *house {
	t.Helper()
	h := &house{records: memory.NewRecords(), journal: new(journal), clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	h.ledger = memory.NewLedger(h.clock.Now)
	h.open(t, change)
	return h
}

// open opens a queue on what there is.
func (h *house) open(t testing.TB, change func(*approval.Config)) {
	t.Helper()
	cfg := approval.Config{
		Records: h.records, Ledger: h.ledger, Journal: h.journal, Logger: slog.New(slog.DiscardHandler), Clock: h.clock.Now, Shares: true,
		SamePerson: func(principal, _, person string) bool { return principal == person },
		InForce:    func() common.Hash { return h.policy },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if h.Queue, err = approval.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

// finance are two of three.
func finance() *rules.Quorum {
	return &rules.Quorum{Group: "finance", Threshold: 2, Of: []string{"alice", "bob", "carol"}, Expires: 30 * time.Minute}
}

// payment is a request for a payment of so many wei.
func payment(wei int64) *rules.Request {
	to := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	tx := types.NewTx(&types.DynamicFeeTx{
		ChainID: big.NewInt(1), Nonce: 7, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2), Gas: 21000, To: &to, Value: big.NewInt(wei),
	})
	return &rules.Request{
		ID: "r1", Kind: rules.KindTransaction, Method: "account_signTransaction", Principal: "local", Caller: rules.Caller{Transport: "ipc"},
		Account: rules.Account{Address: common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7"), Vault: "v", Key: "k", Version: "1"},
		Digest:  types.LatestSignerForChainID(tx.ChainId()).Hash(tx), ChainID: tx.ChainId(), Transaction: tx,
	}
}

// referral refers to quorums.
func referral(quorums ...*rules.Quorum) rules.Decision {
	return rules.Decision{Verdict: rules.Refer, Rule: "large", Reason: "finance must approve", Quorums: quorums}
}

// ask asks, and returns the ticket that waits.
func (h *house) ask(t *testing.T, req *rules.Request, decision rules.Decision) *approval.Ticket {
	t.Helper()
	question, err := h.Ask(t.Context(), req, decision, 0)
	if err != nil {
		t.Fatal(err)
	}
	pending, hold, err := question.Await(t.Context())
	if err != nil || hold != nil || pending.Verdict != rules.Refer {
		t.Fatalf("%+v, %v, %v", pending, hold, err)
	}
	return h.ticket(t, pending.Ticket)
}

func (h *house) ticket(t *testing.T, id string) *approval.Ticket {
	t.Helper()
	ticket, err := h.Ticket(id)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// vote votes on a ticket as it is.
func (h *house) vote(t *testing.T, id, person string, approve bool) error {
	t.Helper()
	ticket := h.ticket(t, id)
	_, err := h.Vote(t.Context(), approval.Ballot{Ticket: id, Hash: ticket.Hash, Person: person, Approve: approve, Way: "test"})
	return err
}

// again asks an equal request.
func (h *house) again(t *testing.T, req *rules.Request, decision rules.Decision) (rules.Decision, rules.Hold) {
	t.Helper()
	question, err := h.Asked(t.Context(), req, decision)
	if err != nil {
		t.Fatal(err)
	}
	if question == nil {
		return rules.Decision{}, nil
	}
	got, hold, err := question.Await(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got, hold
}
