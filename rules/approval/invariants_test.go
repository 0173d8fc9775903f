package approval_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/bolt"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// faults are what fails at a time.
type faults struct{ change, changed, read, release, hold bool }

// faultyStore fails as it is told: changes before or after they are made.
type faultyStore struct {
	rules.Records
	rules.Ledger
	faults
}

func (s *faultyStore) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	if s.change {
		return errBoom
	}
	if err := s.Records.ChangeRecords(ctx, changes...); err != nil || !s.changed {
		return err
	}
	return errBoom
}

func (s *faultyStore) Record(ctx context.Context, key string) ([]byte, error) {
	if s.read {
		return nil, errBoom
	}
	return s.Records.Record(ctx, key)
}

func (s *faultyStore) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	if s.hold {
		return 0, errBoom
	}
	return s.Ledger.Hold(ctx, charges)
}

func (s *faultyStore) Release(ctx context.Context, id rules.HoldID) error {
	if s.release {
		return errBoom
	}
	return s.Ledger.Release(ctx, id)
}

// use is an approval that a request has.
type use struct {
	hold   rules.Hold
	ticket string
	kept   bool
}

// town is a queue with an engine before it, and what must be true of both.
type town struct {
	queue    *approval.Queue
	store    *faultyStore
	journal  *journal
	clock    *clock
	decision rules.Decision
	uses     [requests]*use

	signed  map[string]int // or may have been, by ticket
	counted map[int]int    // signatures that were made, by request
	unclear map[int]int    // that may have been, by request
	policy  common.Hash    // in force
	void    map[string]bool
	rapid   *rapid.T
}

// Bounds of the towns below.
const (
	requests = 3
	mostOpen = 2
)

func (w *town) open(t *testing.T) {
	t.Helper()
	var err error
	w.queue, err = approval.New(t.Context(), approval.Config{
		Records: w.store, Ledger: w.store, Journal: w.journal, Logger: slog.New(slog.DiscardHandler), Clock: w.clock.Now,
		SamePerson: func(principal, _, person string) bool { return principal == person },
		InForce:    func() common.Hash { return w.policy },
		Remember:   5 * time.Minute, Keep: time.Hour, MaxOpen: mostOpen, MaxPerCaller: mostOpen,
	})
	if err != nil {
		w.rapid.Fatal(err)
	}
}

// TestWhateverHappens does whatever may happen in any order, with stores, a ledger and a
// journal that fail, clocks that step and restarts. An approval is had with the votes of
// its quorum in the journal alone, and is used once; what is signed is counted; and in
// the end tickets hold nothing, and nothing is left.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *rapid.T, *clock) (rules.Records, rules.Ledger){
		"memory": func(_ *testing.T, _ *rapid.T, c *clock) (rules.Records, rules.Ledger) {
			return memory.NewRecords(), memory.NewLedger(c.Now)
		},
		"bolt": func(t *testing.T, rt *rapid.T, c *clock) (rules.Records, rules.Ledger) {
			t.Helper()
			path := filepath.Join(t.TempDir(), "state")
			if err := bolt.Create(path); err != nil {
				rt.Fatal(err)
			}
			store, err := bolt.Open(t.Context(), path, bolt.Options{Clock: c.Now, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				rt.Fatal(err)
			}
			rt.Cleanup(func() { _ = store.Close() })
			return store, store
		},
	} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fails %v", name, fails), func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(rt *rapid.T) {
					clock := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
					records, ledger := open(t, rt, clock)
					w := &town{
						store: &faultyStore{Records: records, Ledger: ledger}, journal: new(journal), clock: clock, rapid: rt,
						signed: map[string]int{}, counted: map[int]int{}, unclear: map[int]int{}, decision: referral(finance()),
						policy: common.Hash{1}, void: map[string]bool{},
					}
					w.open(t)
					actions := w.actions(t)
					if !fails {
						delete(actions, "fail")
					}
					rt.Repeat(actions)
					w.end(t, fails)
				})
			})
		}
	}
}

func (w *town) actions(t *testing.T) map[string]func(*rapid.T) {
	t.Helper()
	which := func(rt *rapid.T) int { return rapid.IntRange(0, requests-1).Draw(rt, "request") }
	return map[string]func(*rapid.T){
		"ask": func(rt *rapid.T) { w.ask(t, which(rt)) },
		"vote": func(rt *rapid.T) {
			tickets := w.queue.Tickets()
			if len(tickets) == 0 {
				return
			}
			ticket := tickets[rapid.IntRange(0, len(tickets)-1).Draw(rt, "ticket")]
			person := rapid.SampledFrom([]string{"alice", "bob", "carol", "dave"}).Draw(rt, "person")
			approve := rapid.IntRange(0, 5).Draw(rt, "verdict") > 0
			after, err := w.queue.Vote(t.Context(), approval.Ballot{Ticket: ticket.Content.ID, Hash: ticket.Hash, Person: person, Approve: approve, Way: "test"})
			if err == nil && (person == "dave" || after.Votes[len(after.Votes)-1].Person != person) {
				w.rapid.Fatalf("the vote of %s: %d votes, then %d", person, len(ticket.Votes), len(after.Votes))
			}
		},
		"keep": func(rt *rapid.T) { w.keep(t, which(rt)) },
		"settle": func(rt *rapid.T) {
			w.settle(t, which(rt), rapid.SampledFrom([]rules.Outcome{rules.Signed, rules.NotSigned, rules.Unknown}).Draw(rt, "outcome"))
		},
		"wait": func(rt *rapid.T) {
			w.clock.pass(time.Duration(rapid.IntRange(-5, 40).Draw(rt, "minutes")) * time.Minute)
			w.queue.Sweep(t.Context())
		},
		"restart": func(*rapid.T) { w.restart(t) },
		"reload":  func(*rapid.T) { w.reload(t) },
		"fail": func(rt *rapid.T) {
			draw := func(name string) bool { return rapid.IntRange(0, 3).Draw(rt, name) == 0 }
			w.store.faults = faults{draw("change"), draw("changed"), draw("read"), draw("release"), draw("hold")}
			w.journal.mu.Lock()
			defer w.journal.mu.Unlock()
			w.journal.failing = rapid.SampledFrom([]approval.What{"", "", approval.WhatVote, approval.WhatOpened, approval.WhatApproved, approval.WhatRejected}).Draw(rt, "journal")
		},
		"": func(*rapid.T) { w.check() },
	}
}

// request is the nth, with what it counts.
func (w *town) request(n int) (*rules.Request, rules.Decision) {
	decision := w.decision
	decision.Policy = w.policy
	decision.Charges = []rules.Charge{{
		Counter: "c", Slot: fmt.Sprint("slot ", n), Amount: *uint256.NewInt(1), Cap: *uint256.NewInt(100), Window: 10_000 * time.Hour,
	}}
	return payment(int64(n)), decision
}

// ask asks as the engine does.
func (w *town) ask(t *testing.T, n int) {
	t.Helper()
	if w.uses[n] != nil {
		return
	}
	req, decision := w.request(n)
	question, err := w.queue.Asked(t.Context(), req, decision)
	if err != nil {
		w.rapid.Fatal(err)
	}
	if question == nil {
		id, err := w.store.Hold(t.Context(), decision.Charges)
		if err != nil {
			return
		}
		if question, err = w.queue.Ask(t.Context(), req, decision, id); err != nil {
			return
		}
	}
	got, hold, err := question.Await(t.Context())
	if (got.Verdict == rules.Approve && err == nil) != (hold != nil) || got.Repeats {
		w.rapid.Fatalf("%+v, %v, %v", got, hold, err)
	}
	if _, unknown := w.queue.Ticket(got.Ticket); err == nil && unknown != nil {
		w.rapid.Fatalf("told of %+v: %v", got, unknown)
	}
	if hold != nil {
		w.quorate(got.Ticket)
		if w.void[got.Ticket] {
			w.rapid.Fatalf("ticket %s was void, and is approved", got.Ticket)
		}
		w.uses[n] = &use{hold: hold, ticket: got.Ticket}
	}
}

func (w *town) keep(t *testing.T, n int) {
	t.Helper()
	u := w.uses[n]
	if u == nil || u.kept {
		return
	}
	if err := u.hold.Keep(t.Context()); err != nil {
		w.uses[n] = nil
		return
	}
	u.kept = true
	w.quorate(u.ticket)
	if w.void[u.ticket] {
		w.rapid.Fatalf("ticket %s was void, and is used", u.ticket)
	}
	if w.signed[u.ticket] > 0 {
		w.rapid.Fatalf("ticket %s is used again", u.ticket)
	}
}

func (w *town) settle(t *testing.T, n int, outcome rules.Outcome) {
	t.Helper()
	u := w.uses[n]
	if w.uses[n] = nil; u == nil {
		return
	}
	if !u.kept {
		u.hold.Drop()
		return
	}
	req, _ := w.request(n)
	_ = u.hold.Settle(t.Context(), req, rules.Result{Outcome: outcome}) // it withholds, and the signature is there
	switch outcome {
	case rules.Signed:
		w.signed[u.ticket]++
		w.counted[n]++
	case rules.Unknown:
		w.signed[u.ticket]++
		w.unclear[n]++
	}
}

// restart begins anew with what is stored. What was in use may have been signed.
func (w *town) restart(t *testing.T) {
	t.Helper()
	for n, u := range w.uses {
		if u != nil && u.kept {
			w.signed[u.ticket]++
			w.unclear[n]++
		}
		w.uses[n] = nil
	}
	w.open(t)
	for _, ticket := range w.queue.Tickets() {
		if ticket.State != approval.StateVoid { // it could not be stored
			delete(w.void, ticket.Content.ID)
		}
	}
}

// quorate checks that the journal has the votes of a quorum, and no rejection.
func (w *town) quorate(ticket string) {
	w.journal.mu.Lock()
	defer w.journal.mu.Unlock()
	voted := make(map[string]bool)
	for _, event := range w.journal.events {
		b := event.Ballot
		switch {
		case b == nil || b.Ticket != ticket:
		case event.Error == "":
			voted[b.Person] = b.Approve
		case event.Error == "keeping the vote: it is not stored":
			delete(voted, b.Person)
		}
	}
	approved := 0
	for _, approve := range voted {
		if approve {
			approved++
		}
	}
	if approved < 2 {
		w.rapid.Fatalf("ticket %s is approved, and the journal has %d votes", ticket, approved)
	}
}

// check checks what always holds.
func (w *town) check() {
	open := 0
	for _, ticket := range w.queue.Tickets() {
		voted := map[string]bool{}
		for _, vote := range ticket.Votes {
			if voted[vote.Person] {
				w.rapid.Fatalf("%s voted twice", vote.Person)
			}
			voted[vote.Person] = true
		}
		switch ticket.State {
		case approval.StateOpen:
			open++
		case approval.StateApproved, approval.StateUsed, approval.StateSigned, approval.StateLapsed:
			if ticket.Missing()[0] > 0 {
				w.rapid.Fatalf("%s with %d votes", ticket.State, len(ticket.Votes))
			}
		}
	}
	if open > mostOpen {
		w.rapid.Fatalf("%d are open", open)
	}
}

// end mends everything, lets all tickets end, and checks what is left.
func (w *town) end(t *testing.T, failed bool) {
	t.Helper()
	w.store.faults, w.journal.failing = faults{}, ""
	for n := range w.uses {
		w.settle(t, n, rules.NotSigned)
	}
	w.queue.Sweep(t.Context())
	for range 3 {
		w.clock.pass(5 * time.Hour)
		w.queue.Sweep(t.Context())
	}
	least, most := 0, 0
	for n := range requests {
		if w.counted[n] > 0 {
			least++
		}
		if w.counted[n]+w.unclear[n] > 0 {
			most++
		}
	}
	usage, err := w.store.Ledger.(rules.Meter).Usage(t.Context(), "c")
	if used := int(usage.Used.Uint64()); err != nil || used < least || (!failed && used != most) {
		w.rapid.Errorf("%d count, of %d that are signed and %d that may be: %v", used, least, most, err)
	}
	for range 2 {
		w.clock.pass(9 * time.Hour)
		w.queue.Sweep(t.Context())
	}
	left := len(w.queue.Tickets())
	err = w.store.EachRecord(t.Context(), "", func(string, []byte) error {
		left++
		return nil
	})
	if left != 0 || err != nil {
		w.rapid.Errorf("%d tickets and records are left: %v", left, err)
	}
	var busy *approval.BusyError
	for n := range mostOpen + 1 {
		req, decision := w.request(n)
		if _, err := w.queue.Ask(t.Context(), req, decision, 0); errors.As(err, &busy) != (n == mostOpen) {
			w.rapid.Errorf("request %d of %d: %v", n, mostOpen, err)
		}
	}
}
