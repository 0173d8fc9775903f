package main

import (
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefjs"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// offered is the rate of the benchmark below, in requests a second: what Azure
// allows one vault.
const offered = 400

// decisionFiles are the rule files of the benchmark.
var decisionFiles = []struct{ name, text string }{
	{"approve-all", `function ApproveTx(r) { return "Approve" }`},
	{"allowlist-cap-window", `
		var allowed = ["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x71562b71999873db5b286df957af199ec94617f7"]
		function ApproveTx(r) {
			var tx = r.transaction
			if (!tx.to || allowed.indexOf(tx.to.toLowerCase()) < 0) { return "Reject" }
			var value = new BigNumber(tx.value.slice(2), 16)
			if (value.gt("1e18")) { return "Reject" }
			var key = "day/" + Math.floor(Date.now() / 86400000)
			var spent = new BigNumber(storage.get(key) || "0").plus(value)
			if (spent.gt("1e24")) { return "Reject" }
			storage.put(key, spent.toString(10))
			return "Approve"
		}`},
}

// BenchmarkDecideHoldRecord measures what stands between a decoded request and
// the vault, all of it durable: the decision by a rule file, its writes in the
// store, and the audit entry of the decision. Requests come at a fixed rate,
// whether or not those before them have ended; CPU is of all that happens
// between, with the outcome and its record.
func BenchmarkDecideHoldRecord(b *testing.B) {
	for _, file := range decisionFiles {
		b.Run(file.name, func(b *testing.B) {
			decideHoldRecord(b, func(store *bolt.Store) rules.Rule {
				ruleset, err := clefjs.Load(file.name+".js", []byte(file.text), clefjs.Options{Storage: store})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(ruleset.Close)
				return ruleset
			})
		})
	}
	b.Run("policy", func(b *testing.B) {
		decideHoldRecord(b, func(*bolt.Store) rules.Rule {
			loaded, err := policy.Load("policy.yaml", []byte(`
version: 1
lists: {allowed: ["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x71562b71999873db5b286df957af199ec94617f7"]}
rules:
  - id: pay
    effect: allow
    match: {chain: [1337], to: allowed, plain: true, value_max: "1 ether"}
    limits: [{measure: value, max: "1000000 ether", window: 24h, per: [account]}]
`), policy.Options{})
			if err != nil {
				b.Fatal(err)
			}
			return loaded
		})
	})
}

func decideHoldRecord(b *testing.B, load func(*bolt.Store) rules.Rule) {
	b.Helper()
	dir := b.TempDir()
	if err := bolt.Create(filepath.Join(dir, "state.db")); err != nil {
		b.Fatal(err)
	}
	store, err := bolt.Open(b.Context(), filepath.Join(dir, "state.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	log, err := audit.Open(b.Context(), filepath.Join(dir, "audit.log"), audit.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	if err := store.Rely(b.Context(), filepath.Join(dir, "audit.log"), log.Head); err != nil {
		b.Fatal(err)
	}
	engine := &rules.Engine{Rules: []rules.Rule{load(store)}, Ledger: store, Recorded: true}
	to := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")

	times := make([]time.Duration, b.N)
	var under sync.WaitGroup
	ticker := time.NewTicker(time.Second / offered)
	defer ticker.Stop()
	b.ResetTimer()
	before := cpuTime(b, os.Getpid())
	for i := range b.N {
		<-ticker.C
		due := time.Now()
		under.Go(func() {
			req := benchRequest(to, uint64(i))
			decision, err := engine.Decide(b.Context(), req)
			if err != nil || decision.Verdict != rules.Approve {
				b.Errorf("decision %+v, %v", decision, err)
				return
			}
			entry := audit.Entry{
				Event: audit.EventDecision, Request: req.ID, Method: req.Method, Account: req.Account.Address.Hex(), To: to.Hex(), Value: "1",
				ChainID: "1337", Digest: req.Digest.Hex(), Verdict: decision.Verdict.String(), Rule: decision.Rule, Hold: written(decision.Reservation),
			}
			if err := log.Append(b.Context(), entry); err != nil {
				b.Error(err)
				return
			}
			times[i] = time.Since(due)
			entry = audit.Entry{Event: audit.EventOutcome, Request: req.ID, Outcome: "signed", Digest: req.Digest.Hex()}
			if err := engine.Settle(b.Context(), req, decision, rules.Result{Outcome: rules.Signed}); err != nil {
				b.Error(err)
			}
			if err := log.Append(b.Context(), entry); err != nil {
				b.Error(err)
			}
		})
	}
	under.Wait()
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(inMS(at(times, 50)), "p50-ms")
	b.ReportMetric(inMS(at(times, 99)), "p99-ms")
	b.ReportMetric(inMS((cpuTime(b, os.Getpid())-before)/time.Duration(b.N)), "cpu-ms/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}

// written is what an entry says of a reservation.
func written(r *rules.Reservation) *audit.Hold {
	if r == nil {
		return nil
	}
	hold := &audit.Hold{ID: uint64(r.ID), Time: r.At}
	for _, c := range r.Charges {
		hold.Charges = append(hold.Charges, audit.Charge{Counter: c.Counter, Slot: c.Slot, Amount: c.Amount.Dec(), Expires: c.Expires})
	}
	return hold
}

// benchRequest is a transfer of one wei.
func benchRequest(to common.Address, nonce uint64) *rules.Request {
	from := common.HexToAddress("0x71562b71999873DB5b286dF957af199Ec94617F7")
	chain, one := big.NewInt(1337), big.NewInt(1)
	recipient := common.NewMixedcaseAddress(to)
	tx := types.NewTx(&types.DynamicFeeTx{ChainID: chain, Nonce: nonce, GasTipCap: one, GasFeeCap: one, Gas: 21000, To: &to, Value: one})
	return &rules.Request{
		ID: hexutil.EncodeUint64(nonce), Kind: rules.KindTransaction, Method: "account_signTransaction",
		Account: rules.Account{Address: from, Vault: "v", Key: "k", Version: "1"}, Caller: rules.Caller{Transport: "ipc", Remote: "NA", Local: "NA"},
		Digest: types.LatestSignerForChainID(chain).Hash(tx), ChainID: chain, Transaction: tx,
		TransactionArgs: &apitypes.SendTxArgs{
			From: common.NewMixedcaseAddress(from), To: &recipient, Gas: 21000, Value: hexutil.Big(*one), Nonce: hexutil.Uint64(nonce),
			MaxFeePerGas: (*hexutil.Big)(one), MaxPriorityFeePerGas: (*hexutil.Big)(one),
		},
	}
}
