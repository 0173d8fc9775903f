package outbox

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules"
)

// payment is what a caller wants once. Its value is its own, so that it is known on
// the chain.
type payment struct {
	value   int
	key     string
	account int
	hash    common.Hash // told at last; zero: none
	failed  bool        // told an error at last
}

// TestProperty: whatever refuses, hangs, resets, lags, restarts and reorganises in
// whatever order, nobody pays twice; who was told a hash pays once, and who was told an
// error does not; and no account is left with a gap.
func TestProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, nil)
		var payments []*payment
		pay := func(p *payment) {
			partial := w.tx(t, `{"from":"%v","to":"%v","value":"%#x"}`, w.vault.address(p.account), w.vault.address(1), p.value)
			hash, err := w.Send(t.Context(), partial, p.key)
			switch {
			case err == nil && !p.failed && w.raised(t, p.hash, hash):
				p.hash = hash
			case err != nil && p.hash != (common.Hash{}) && !p.failed:
				r.Fatalf("payment %d had %v, and now %v", p.value, p.hash, err)
			case err == nil && p.hash != (common.Hash{}) && p.hash != hash:
				r.Fatalf("payment %d had %v, and now %v", p.value, p.hash, hash)
			case err == nil:
				p.hash, p.failed = hash, false
			default:
				p.failed = true
			}
		}
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{
			"pay", "pay", "pay", "key", "key", "retry", "deny", "burn", "refuse", "lose", "reset", "hide", "underpriced", "mine", "mine", "step", "later",
			"restart", "crash", "pool", "reorg", "lag", "bump", "late", "low", "scatter",
		}), 1, 40).Draw(r, "steps")
		for i, step := range steps {
			p := &payment{value: 1000 + i, account: i % 2}
			switch step {
			case "pay":
				payments = append(payments, p)
				pay(p)
			case "key":
				p.key = fmt.Sprint(i)
				payments = append(payments, p)
				pay(p)
			case "retry":
				for _, old := range payments {
					if old.key != "" {
						pay(old)
					}
				}
			case "deny":
				w.vault.set(func(v *vault) { v.deny = func(*rules.Request) bool { return true } })
				pay(p)
				payments = append(payments, p)
				w.vault.set(func(v *vault) { v.deny = nil })
			case "burn":
				p.key = fmt.Sprint(i)
				w.vault.set(func(v *vault) { v.fail = func() error { return errors.New("no vault") } })
				pay(p)
				payments = append(payments, p)
				w.vault.set(func(v *vault) { v.fail = nil })
			case "step":
				w.step(t.Context())
			case "later":
				w.clock.move(time.Minute)
				w.step(t.Context())
			case "restart":
				w.restart(t)
			case "crash":
				crashed(t, w, i)
			case "bump":
				for _, old := range payments {
					if !old.failed && old.hash != (common.Hash{}) {
						w.clock.move(time.Second)
						_, _ = w.Bump(t.Context(), old.hash, 0)
						break
					}
				}
			default:
				w.node.do(t, step)
			}
		}
		settle(t, w)
		checkPayments(t, r, w, payments)
	})
}

// crashed sends something from a process that ends meanwhile.
func crashed(t *testing.T, w *world, i int) {
	t.Helper()
	cfg := w.cfg
	cfg.Records = &mortal{Records: w.records, lives: i % 3, made: i%2 == 0}
	dying, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = dying.Send(t.Context(), w.transfer(t, 500_000+i), "")
	w.restart(t)
}

// settle lets everything come to its end.
func settle(t *testing.T, w *world) {
	t.Helper()
	w.node.set(func(n *fakeNode) { n.fault, n.lag, n.scatter = nil, 0, false })
	for range 25 {
		w.clock.move(10 * time.Minute)
		w.step(t.Context())
		w.block(t)
	}
}

func checkPayments(t *testing.T, r *rapid.T, w *world, payments []*payment) {
	t.Helper()
	paid := make(map[int64]int)
	for account := range 2 {
		for i, tx := range w.node.minedOf(t, w.vault.address(account)) {
			if tx.Nonce() != uint64(i) {
				r.Fatalf("nonce %d is the %d. of its account", tx.Nonce(), i)
			}
			paid[tx.Value().Int64()]++
		}
	}
	for value, times := range paid {
		if times > 1 {
			r.Fatalf("payment %d was made %d times", value, times)
		}
	}
	for _, p := range payments {
		if want := p.hash != (common.Hash{}) && !p.failed; want != (paid[int64(p.value)] == 1) {
			r.Fatalf("payment %d was made %d times, told %v, failed %v", p.value, paid[int64(p.value)], p.hash, p.failed)
		}
	}
	if n := w.node.pooled(); n > 0 {
		r.Fatalf("%d wait in the pool", n)
	}
	if inFlight, _ := w.book.load(); inFlight > 0 {
		r.Fatalf("%d are still under way", inFlight)
	}
}
