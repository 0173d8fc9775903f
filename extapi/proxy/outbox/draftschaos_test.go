package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// approvedPayment is what a caller wants once, and people are asked about.
type approvedPayment struct {
	value  int
	form   int
	key    string
	ticket string
	hash   common.Hash
	doubt  bool // it was told that it may be under way
}

// office is replicas with people who approve.
type office struct {
	t        *testing.T
	replicas []*world
	queues   []*approval.Queue
	approved map[common.Hash]bool // digests
}

// request is the payment as its caller asks for it.
func (f *office) request(p *approvedPayment) *extapi.PartialTransaction {
	w := f.replicas[0]
	more := []string{``, `,"maxPriorityFeePerGas":"0x2"`, `,"type":"0x0"`, `,"type":"0x1"`, `,"maxFeePerGas":"0x174876e800"`}[p.form%5]
	return w.tx(f.t, `{"to":"%v","value":"%#x"%s}`, w.vault.address(1), p.value, more)
}

// ask asks a replica for a payment, unless its caller knows that it is under way, or may be.
func (f *office) ask(r *rapid.T, at int, p *approvedPayment) {
	if p.key == "" && (p.hash != common.Hash{} || p.doubt) {
		return
	}
	hash, err := f.replicas[at].Send(f.t.Context(), f.request(p), p.key)
	f.told(r, p, hash, err)
}

// race asks all replicas at the same time, with the payment's key, while others send.
func (f *office) race(r *rapid.T, p *approvedPayment) {
	hashes, errs, request := make([]common.Hash, 4), make([]error, 4), f.request(p)
	var group sync.WaitGroup
	for i := range hashes {
		group.Go(func() { hashes[i], errs[i] = f.replicas[i%2].Send(f.t.Context(), request, p.key) })
	}
	for i := range 4 {
		small := f.replicas[0].transfer(f.t, 1)
		group.Go(func() { _, _ = f.replicas[i%2].Send(f.t.Context(), small, "") })
	}
	group.Wait()
	key := p.key
	for i := range hashes {
		f.told(r, p, hashes[i], errs[i])
	}
	if p.hash != (common.Hash{}) {
		p.key = key
	}
}

// told takes over what the payment's caller was told.
func (f *office) told(r *rapid.T, p *approvedPayment, hash common.Hash, err error) {
	if id := ticketOf(err); id != "" {
		p.ticket = id
	}
	switch {
	case err == nil && p.hash != common.Hash{} && p.hash != hash && !f.replicas[0].raised(f.t, p.hash, hash):
		r.Fatalf("payment %d had %v, and now %v", p.value, p.hash, hash)
	case err == nil:
		p.hash, p.doubt = hash, false
	case p.hash != common.Hash{}:
	case strings.HasPrefix(err.Error(), "it is not known"):
		p.doubt = true
	case p.key != "" && slices.ContainsFunc([]string{"use a new key", "insufficient funds", "nonce too low"}, func(text string) bool { return strings.Contains(err.Error(), text) }):
		p.key, p.doubt = p.key+"'", false // nothing of it is under way
	}
}

// decide has people decide about a ticket.
func (f *office) decide(at int, id string, approve bool) {
	ticket, err := f.queues[at].Ticket(id)
	if err != nil {
		return
	}
	var subject approval.Subject
	if err := json.Unmarshal(ticket.Content.Subject, &subject); err != nil {
		f.t.Fatal(err)
	}
	if approve { // it may count, whatever is said of it
		f.approved[subject.Digest] = true
	}
	_, _ = f.queues[at].Vote(f.t.Context(), approval.Ballot{Ticket: id, Hash: ticket.Hash, Person: "alice", Approve: approve, Way: "test"})
}

// restart ends a process, and starts another in its place. Its tickets are not looked at
// in the course of time: one whose time is over is no good, and stands in nobody's way once
// what it is about is another transaction.
func (f *office) restart(at int) { f.queues[at] = f.replicas[at].ask(f.t) }

// TestDraftsInChaos: with two replicas, nodes that fail, lag and count wrongly, fees that
// move, bounds that change, clocks that jump, others that send, cancel and replace, and
// people who are slow: what is sent was approved as it is, nobody pays twice, who was told
// a hash is paid or replaced, all can pay at last, and no nonce is missing.
func TestDraftsInChaos(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		records := memory.NewRecords()
		f := &office{t: t, approved: make(map[common.Hash]bool)}
		f.replicas, f.queues = askingReplicas(t, 2, records, lawless{records})
		var stores [2]*unsure
		for at := range stores {
			stores[at] = &unsure{flaky: flaky{Records: records, writes: -2}}
			f.replicas[at].records, f.replicas[at].cfg.Records = stores[at], stores[at]
			f.restart(at)
		}
		w := f.replicas[0]
		payments := make(map[int]*approvedPayment)
		all := func() (list []*approvedPayment) {
			for _, value := range slices.Sorted(maps.Keys(payments)) {
				list = append(list, payments[value])
			}
			return list
		}
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{
			"new", "new", "new key", "new key", "again", "again", "again", "approve", "approve", "approve", "reject", "small", "dearer", "cheaper", "cap", "no cap",
			"bump", "cancel", "mine", "mine", "step", "later", "race", "race", "write", "written", "unread", "restart", "crash", "pool", "reorg", "lag", "refuse", "low", "reset", "lose", "forward", "back", "day",
		}), 1, 60).Draw(r, "steps")
		for i, step := range steps {
			at := rapid.IntRange(0, 1).Draw(r, "at")
			switch step {
			case "new", "new key":
				p := &approvedPayment{value: 1000 + i, form: i}
				if step == "new key" {
					p.key = fmt.Sprint(i)
				}
				payments[p.value] = p
				f.ask(r, at, p)
			case "again":
				for _, p := range all() {
					f.ask(r, at, p)
				}
			case "approve", "reject":
				for _, p := range all() {
					if (p.value+i)%3 != 0 && p.ticket != "" {
						f.decide(at, p.ticket, step == "approve")
					}
				}
			case "race":
				for _, p := range all() {
					if p.key != "" {
						f.race(r, p)
					}
				}
			case "write", "written", "unread":
				of := stores[at]
				of.writes, of.made, of.reads, of.unread = i%4, step != "write", -1, 0
				if step == "unread" {
					of.unread, of.made = 1+i%3, i%2 == 0
				}
			case "small":
				_, _ = f.replicas[at].Send(t.Context(), w.transfer(t, 1), "")
			case "dearer":
				w.dearer()
			case "cheaper":
				w.node.set(func(n *fakeNode) { n.base.Div(n.base, big.NewInt(4)).Add(n.base, common.Big1) })
			case "cap":
				f.replicas[at].Outbox.cfg.FeeCap = big.NewInt(100_000_000_000_000)
			case "no cap":
				f.replicas[at].Outbox.cfg.FeeCap = nil
			case "bump", "cancel":
				for _, p := range all() {
					if p.hash == (common.Hash{}) || (p.value+i)%2 == 0 {
						continue
					}
					if step == "cancel" {
						_, _ = f.replicas[at].Cancel(t.Context(), p.hash)
					} else if _, err := f.replicas[at].Bump(t.Context(), p.hash, 0); ticketOf(err) != "" {
						f.decide(at, ticketOf(err), true)
						_, _ = f.replicas[at].Bump(t.Context(), p.hash, 0)
					}
				}
			case "step":
				f.replicas[at].step(t.Context())
			case "later":
				w.clock.move(time.Minute)
				f.replicas[at].step(t.Context())
			case "restart":
				stores[at].heal()
				f.restart(at)
			case "crash":
				stores[at].heal()
				whole := *f.replicas[at]
				store := &mortal{Records: records, lives: i % 5, made: i%2 == 0}
				f.replicas[at].records, f.replicas[at].cfg.Records = store, store
				f.restart(at)
				for _, p := range all() {
					f.ask(r, at, p)
				}
				f.replicas[at].records, f.replicas[at].cfg = whole.records, whole.cfg
				f.restart(at)
			case "forward":
				w.clock.move(2 * time.Hour)
			case "back":
				w.clock.move(-2 * time.Hour)
			case "day":
				w.clock.move(25 * time.Hour)
			default:
				w.node.do(t, step)
			}
		}
		// All that nobody knows to be paid is paid at last.
		w.node.set(func(n *fakeNode) { n.fault, n.lag = nil, 0; n.base.SetInt64(1_000_000_000) })
		for at := range f.replicas {
			stores[at].heal()
			f.replicas[at].Outbox.cfg.FeeCap = nil
			f.restart(at)
		}
		settleAll(t, f.replicas)
		anew := func() { // no draft and no ticket is good any more
			w.clock.move(25 * time.Hour)
			w.node.set(func(n *fakeNode) { n.base.Add(n.base, big.NewInt(1000)); n.tip++ })
		}
		anew()
		for round := 0; ; round++ {
			left := 0
			for _, p := range all() {
				if p.hash != (common.Hash{}) || p.doubt && p.key == "" {
					continue
				}
				left++
				at := round % 2
				f.ask(r, at, p)
				if p.ticket != "" {
					f.decide(at, p.ticket, true)
				}
				f.ask(r, at, p)
			}
			if left == 0 {
				break
			}
			if round > 10 {
				r.Fatalf("%d can't be paid", left)
			}
			anew()
			settleAll(t, f.replicas)
		}
		settleAll(t, f.replicas)
		f.check(r, all())
	})
}

// settleAll lets everything come to its end that is under way.
func settleAll(t *testing.T, replicas []*world) {
	t.Helper()
	for range 25 {
		replicas[0].clock.move(time.Minute)
		replicas[0].node.mine()
		for _, w := range replicas {
			w.step(t.Context())
		}
	}
}

func (f *office) check(r *rapid.T, payments []*approvedPayment) {
	w := f.replicas[0]
	signer := types.LatestSignerForChainID(big.NewInt(testChain))
	for _, tx := range w.node.accepted {
		if tx.Value().Int64() >= 1000 && !f.approved[signer.Hash(tx)] {
			r.Fatalf("nobody has approved payment %v with nonce %d", tx.Value(), tx.Nonce())
		}
	}
	times := make(map[int64]int)
	for i, tx := range w.node.minedOf(f.t, w.vault.address(0)) {
		if tx.Nonce() != uint64(i) {
			r.Fatalf("nonce %d is the %d. of its account", tx.Nonce(), i)
		}
		times[tx.Value().Int64()]++
	}
	for _, p := range payments {
		switch n := times[int64(p.value)]; {
		case n > 1:
			r.Fatalf("payment %d was made %d times", p.value, n)
		case p.hash != (common.Hash{}) && n == 0:
			if tx, err := w.Show(f.t.Context(), p.hash); err != nil || tx.State.InFlight() {
				r.Fatalf("payment %d was told %v, is %+v, %v", p.value, p.hash, tx, err)
			}
		}
	}
	if n := w.node.pooled(); n > 0 {
		r.Fatalf("%d wait in the pool", n)
	}
	for _, of := range f.replicas {
		if inFlight, _ := of.book.load(); inFlight > 0 {
			r.Fatalf("%d are still under way", inFlight)
		}
	}
}

// unsure are flaky records for many at a time.
type unsure struct {
	mu sync.Mutex
	flaky
}

// heal ends what fails.
func (u *unsure) heal() { u.writes, u.unread = -2, 0 }

func (u *unsure) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.flaky.ChangeRecords(ctx, changes...)
}

func (u *unsure) Record(ctx context.Context, key string) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.flaky.Record(ctx, key)
}
