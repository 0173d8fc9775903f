package limit_test

import (
	"context"
	"math/big"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/store/bolt"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// limited is a rule that approves within limits.
type limited []limit.Limit

func (l limited) Evaluate(_ context.Context, req *rules.Request) (rules.Decision, rules.Hold, error) {
	decision := rules.Decision{Verdict: rules.Approve, Rule: "limited"}
	for i := range l {
		charges, err := l[i].Charges(facts.Of(req, time.Time{}))
		if err != nil {
			return rules.Decision{}, nil, err
		}
		decision.Charges = append(decision.Charges, charges...)
	}
	return decision, nil, nil
}

// dayLimits are 100 wei in all, and 60 to each recipient, within an hour.
func dayLimits() limited {
	total, each := limitOf(limit.Value), limitOf(limit.Value, limit.PerRecipient)
	total.Max, each.Max = small(100), small(60)
	total.Window, each.Window = time.Hour, time.Hour
	each.ID = "each"
	return limited{total, each}
}

// payment is a request to pay.
func payment(nonce uint64, recipient common.Address, wei uint64) *rules.Request {
	tx := types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), Nonce: nonce, GasFeeCap: big.NewInt(1), Gas: 21_000, To: &recipient, Value: units(wei)})
	return &rules.Request{Kind: rules.KindTransaction, Account: rules.Account{Address: account()}, ChainID: big.NewInt(1), Transaction: tx, Digest: tx.Hash()}
}

// signed is a payment that may be mined.
type signed struct {
	nonce     uint64
	recipient common.Address
	wei       uint64
	expires   time.Time
}

// worst is the most that payments can take, of which one for each nonce is mined,
// and the most that one recipient can get.
func worst(of []signed, now time.Time) (all uint64, each map[common.Address]uint64) {
	byNonce := make(map[uint64]uint64)
	type pair struct {
		nonce     uint64
		recipient common.Address
	}
	byPair := make(map[pair]uint64)
	for _, s := range of {
		if s.expires.After(now) {
			byNonce[s.nonce] = max(byNonce[s.nonce], s.wei)
			byPair[pair{s.nonce, s.recipient}] = max(byPair[pair{s.nonce, s.recipient}], s.wei)
		}
	}
	each = make(map[common.Address]uint64)
	for _, wei := range byNonce {
		all += wei
	}
	for p, wei := range byPair {
		each[p.recipient] += wei
	}
	return all, each
}

// TestWorstCase asks for random payments and replacements: approved is exactly
// what leaves the worst case within the limits.
func TestWorstCase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		engine := &rules.Engine{Rules: []rules.Rule{dayLimits()}, Ledger: memory.NewLedger(func() time.Time { return now })}
		var stand []signed
		r.Repeat(map[string]func(*rapid.T){
			"": func(r *rapid.T) {
				if all, each := worst(stand, now); all > 100 || each[alice()] > 60 || each[bob()] > 60 {
					r.Fatalf("%d can be taken, %v", all, each)
				}
			},
			"wait": func(r *rapid.T) { now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(r, "span"))) },
			"pay": func(r *rapid.T) {
				recipient := rapid.SampledFrom([]common.Address{alice(), bob()}).Draw(r, "recipient")
				s := signed{rapid.Uint64Range(0, 3).Draw(r, "nonce"), recipient, rapid.Uint64Range(0, 70).Draw(r, "wei"), now.Add(time.Hour)}
				req := payment(s.nonce, s.recipient, s.wei)
				all, each := worst(append(stand[:len(stand):len(stand)], s), now)
				want := rules.Approve
				if all > 100 || each[recipient] > 60 {
					want = rules.Reject
				}
				decision, err := engine.Decide(r.Context(), req)
				if err != nil || decision.Verdict != want {
					r.Fatalf("%d wei to %v with nonce %d: %v (%s), %v, want %v", s.wei, s.recipient, s.nonce, decision.Verdict, decision.Explanation, err, want)
				}
				if want != rules.Approve {
					return
				}
				outcome := rapid.SampledFrom([]rules.Outcome{rules.Signed, rules.NotSigned, rules.Unknown}).Draw(r, "outcome")
				if err := engine.Settle(r.Context(), req, decision, rules.Result{Outcome: outcome}); err != nil {
					r.Fatal(err)
				}
				if outcome != rules.NotSigned {
					stand = append(stand, s)
				}
			},
		})
	})
}

// TestRace has 64 clients pay and replace at once, on a store with a disk: the
// worst case is never beyond the limits, and in the end it is what counts.
func TestRace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := bolt.Create(path); err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(t.Context(), path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	engine := &rules.Engine{Rules: []rules.Rule{dayLimits()}, Ledger: store}
	expires := time.Now().Add(time.Hour)
	var mu sync.Mutex
	var stand []signed
	refused := 0
	var clients sync.WaitGroup
	for client := range uint64(64) {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(client, 9))
			for range 12 {
				s := signed{random.Uint64N(8), []common.Address{alice(), bob()}[random.IntN(2)], random.Uint64N(25), expires}
				req := payment(s.nonce, s.recipient, s.wei)
				decision, err := engine.Decide(t.Context(), req)
				if err != nil {
					t.Error(err)
					return
				}
				if decision.Verdict != rules.Approve {
					mu.Lock()
					refused++
					mu.Unlock()
					continue
				}
				outcome := rules.NotSigned
				if random.IntN(3) == 0 {
					outcome = rules.Signed
					mu.Lock()
					stand = append(stand, s)
					if all, each := worst(stand, time.Now()); all > 100 || each[alice()] > 60 || each[bob()] > 60 {
						t.Errorf("%d can be taken, %v", all, each)
					}
					mu.Unlock()
				}
				if err := engine.Settle(t.Context(), req, decision, rules.Result{Outcome: outcome}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	all, each := worst(stand, time.Now())
	for counter, want := range map[string]uint64{
		"daily/value": all, "each/value/recipient=" + aliceText: each[alice()], "each/value/recipient=" + bobText: each[bob()],
	} {
		if usage, err := store.Usage(t.Context(), counter); err != nil || usage.Used.Uint64() != want {
			t.Errorf("%s: %s are used, want %d; %v", counter, usage.Used.Dec(), want, err)
		}
	}
	if refused < 64 || len(stand) < 8 {
		t.Errorf("%d refused, %d signed: too little happened", refused, len(stand))
	}
}
