package clefjs

import (
	"encoding/json"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// measure runs one decision b.N times, one after the other or by many.
func measure(b *testing.B, clients int, decide func(*rules.Request)) {
	b.Helper()
	b.ReportAllocs()
	before := cpu(b)
	var nonce atomic.Uint64
	next := func() *rules.Request { return transfer(nonce.Add(1), big.NewInt(1), nil) }
	b.ResetTimer()
	if clients == 1 {
		for b.Loop() {
			decide(next())
		}
	} else {
		b.SetParallelism(clients / 2)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				decide(next())
			}
		})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

const approveAll = `function ApproveTx() { return "Approve" }`

// BenchmarkDecide compares with Clef's way in the same run: a new machine for
// each call, and library and file parsed in the request. A decision is
// ApproveTx and, where the file defines it, OnApprovedTx. Both have the room for
// garbage that a signer gives its rule file; Clef itself has none.
func BenchmarkDecide(b *testing.B) {
	for _, bench := range []struct{ name, source string }{{"approve-all", approveAll}, {"realistic", file(b, "realistic.js")}} {
		for _, clients := range []int{1, 64} {
			name := map[int]string{1: "serial", 64: "parallel"}[clients]
			b.Run(bench.name+"/"+name+"/kvclef", func(b *testing.B) {
				r := load(b, bench.source, Options{Storage: memory.New(nil), WaitTimeout: time.Minute, Room: ServerRoom})
				engine := &rules.Engine{Rules: []rules.Rule{r}}
				signature := sign(b, transfer(1, big.NewInt(1), nil))
				measure(b, clients, func(req *rules.Request) {
					decision, err := engine.Decide(b.Context(), req)
					if err != nil || decision.Verdict != rules.Approve {
						b.Errorf("%+v, %v", decision, err)
						return
					}
					if err := engine.Settle(b.Context(), req, decision, signature); err != nil {
						b.Error(err)
					}
				})
			})
			b.Run(bench.name+"/"+name+"/clef", func(b *testing.B) {
				defer newRoom(ServerRoom).close()
				signature := sign(b, transfer(1, big.NewInt(1), nil))
				store := memory.New(nil)
				measure(b, clients, func(req *rules.Request) { clefsWay(b, bench.source, store, req, signature) })
			})
		}
	}
}

// clefsWay decides as Clef does, with storage in memory.
func clefsWay(b *testing.B, source string, store *memory.Storage, req *rules.Request, result rules.Result) {
	b.Helper()
	call := func(function string, argument argument) string {
		vm := goja.New()
		object := vm.NewObject()
		tx := unserializedTx{store}
		check(object.Set("get", func(key string) string { value, _ := tx.Get(key); return value }))
		check(object.Set("put", func(key, value string) { check(tx.Put(key, value)) }))
		check(vm.Set("storage", object))
		if _, err := vm.RunString(bigNumber); err != nil {
			b.Error(err)
		}
		if _, err := vm.RunString(source); err != nil {
			b.Error(err)
		}
		text, err := json.Marshal(string(argument.text))
		check(err)
		value, err := vm.RunString(function + "(JSON.parse(" + string(text) + "))")
		if err != nil {
			b.Error(err)
			return ""
		}
		return value.String()
	}
	argument, err := transactionArgument(req)
	check(err)
	if got := call("ApproveTx", argument); got != "Approve" {
		b.Errorf("got %s", got)
	}
	if source == approveAll {
		return
	}
	signed, err := req.Transaction.WithSignature(signerOf(req), result.Signature[:])
	check(err)
	argument, err = approvedArgument(req, result)
	check(err)
	argument.text = []byte(`{"tx":` + string(mustJSON(signed)) + `}`)
	call("OnApprovedTx", argument)
}

func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	check(err)
	return text
}

// BenchmarkPrepare is what one machine costs, made ahead of the call.
func BenchmarkPrepare(b *testing.B) {
	for _, bench := range []struct{ name, source string }{{"approve-all", approveAll}, {"realistic", file(b, "realistic.js")}} {
		b.Run(bench.name, func(b *testing.B) {
			r := load(b, bench.source, Options{Storage: memory.New(nil)})
			r.Close()
			b.ReportAllocs()
			for b.Loop() {
				if r.prepare() == nil {
					b.Fatal("no machine")
				}
			}
		})
	}
}

// BenchmarkLargeCalldata decides about a transaction with 1 MiB of data.
func BenchmarkLargeCalldata(b *testing.B) {
	r := load(b, `function ApproveTx(r) { return r.transaction.data.length == 2097154 ? "Approve" : "Reject" }`, Options{})
	req := transfer(1, big.NewInt(1), make([]byte, 1<<20))
	for b.Loop() {
		if decision := judge(b, r, req); decision.Verdict != rules.Approve {
			b.Fatalf("%+v", decision)
		}
	}
}

// BenchmarkAgainstClef decides by turns, so that both ways meet the same
// machine, and reports how many times less time and processor kvclef takes.
func BenchmarkAgainstClef(b *testing.B) {
	for _, bench := range []struct{ name, source string }{{"approve-all", approveAll}, {"realistic", file(b, "realistic.js")}} {
		b.Run(bench.name, func(b *testing.B) {
			r := load(b, bench.source, Options{Storage: memory.New(nil), Room: ServerRoom}) // for both
			engine := &rules.Engine{Rules: []rules.Rule{r}}
			signature := sign(b, transfer(1, big.NewInt(1), nil))
			store := memory.New(nil)
			const each = 10 // of ours for one of Clef's
			var ours, clefs, oursCPU, clefsCPU time.Duration
			for b.Loop() {
				started, used := time.Now(), cpu(b)
				for range each {
					req := transfer(1, big.NewInt(1), nil)
					decision, err := engine.Decide(b.Context(), req)
					if err != nil || decision.Verdict != rules.Approve {
						b.Fatalf("%+v, %v", decision, err)
					}
					if err := engine.Settle(b.Context(), req, decision, signature); err != nil {
						b.Fatal(err)
					}
				}
				ours, oursCPU = ours+time.Since(started), oursCPU+cpu(b)-used
				started, used = time.Now(), cpu(b)
				clefsWay(b, bench.source, store, transfer(1, big.NewInt(1), nil), signature)
				clefs, clefsCPU = clefs+time.Since(started), clefsCPU+cpu(b)-used
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N)/each, "kvclef-µs")
			b.ReportMetric(float64(clefs.Microseconds())/float64(b.N), "clef-µs")
			b.ReportMetric(each*clefs.Seconds()/ours.Seconds(), "times-faster")
			b.ReportMetric(each*clefsCPU.Seconds()/oursCPU.Seconds(), "times-less-cpu")
		})
	}
}
