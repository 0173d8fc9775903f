package clefjs

import (
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestMemoryIsBounded: a script that keeps what it allocates is stopped for
// that, long before its time is over.
func TestMemoryIsBounded(t *testing.T) {
	for name, script := range map[string]string{
		"objects": `var a = []; for (;;) a.push({})`,
		"text":    `var s = "x"; for (;;) s += s`,
		"texts":   `var a = []; for (;;) a.push("x".repeat(1e5) + a.length)`,
		"numbers": `var a = []; for (;;) a.push(new BigNumber(a.length))`,
		"bound":   `var f = function () {}; for (var i = 0; i < 1e6; i++) { f = f.bind(null) }; return f()`,
		"binary":  `var a = []; for (;;) a.push(new Uint8Array(1e6))`,
	} {
		t.Run(name, func(t *testing.T) {
			r := load(t, "function ApproveTx() { "+script+" }", Options{Timeout: MaxTimeout, MemoryLimit: 32 << 20, Room: MaxRoom})
			decision := judge(t, r, transfer(1, big.NewInt(1), nil))
			if !strings.Contains(decision.Reason, errMemory.Error()) {
				t.Fatalf("got %+v", decision)
			}
		})
	}
}

// TestGarbageIsNotCounted: a script may allocate far more than the limit if it
// keeps little of it.
func TestGarbageIsNotCounted(t *testing.T) {
	r := load(t, `function ApproveTx() { for (var i = 0; i < 1000; i++) { var s = "x".repeat(1e5) + i }; return "Approve" }`,
		Options{Timeout: MaxTimeout, MemoryLimit: 32 << 20, Room: MaxRoom})
	if decision := judge(t, r, transfer(1, big.NewInt(1), nil)); decision.Verdict != rules.Approve {
		t.Fatalf("got %+v", decision)
	}
}

// TestDeviation4LoopsEnd: many scripts that loop at a time are all stopped,
// their goroutines end (TestMain looks for them), and the next call is served.
func TestDeviation4LoopsEnd(t *testing.T) {
	store := memory.New(nil)
	r := load(t, `function ApproveTx(r) { storage.get("a"); while (r.transaction.nonce == "0x1") {} return "Approve" }`,
		Options{Storage: store, Timeout: 50 * time.Millisecond})
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			if decision := judge(t, r, transfer(1, big.NewInt(1), nil)); decision.Verdict != rules.Refer || !strings.Contains(decision.Reason, "runs longer than 50ms") {
				t.Errorf("got %+v", decision)
			}
		})
	}
	done.Wait()
	free(t, store)
	patient := load(t, `function ApproveTx() { return "Approve" }`, Options{})
	if decision := judge(t, patient, transfer(2, big.NewInt(1), nil)); decision.Verdict != rules.Approve {
		t.Errorf("got %+v", decision)
	}
}

// TestScriptsThatCannotBeStopped are left behind, and while there are many
// nothing is decided: the backstop for a built-in that was overlooked.
func TestScriptsThatCannotBeStopped(t *testing.T) {
	release := make(chan struct{})
	r := load(t, `function ApproveTx() { console.log("stuck"); return "Approve" }`, Options{
		Timeout: 20 * time.Millisecond,
		Console: func(string, string) { <-release }, // no interrupt reaches it
	})
	for range maxStuck {
		if decision := judge(t, r, transfer(1, big.NewInt(1), nil)); decision.Verdict != rules.Refer || !strings.Contains(decision.Reason, "left behind") {
			t.Fatalf("got %+v", decision)
		}
	}
	if decision := judge(t, r, transfer(1, big.NewInt(1), nil)); decision.Verdict != rules.Refer || !strings.Contains(decision.Reason, "nothing is decided before they end") {
		t.Fatalf("got %+v", decision)
	}
	close(release)
	ended(r)
}

// ended waits for what was left behind.
func ended(r *Ruleset) {
	for r.guard.stuck.Load() != 0 {
		<-time.After(time.Millisecond)
	}
}

// TestBigNumberCannotBeStalled: a long text of spaces makes it backtrack. That
// must neither hang nor read as another number, whatever the time limit.
func TestBigNumberCannotBeStalled(t *testing.T) {
	for _, limit := range []time.Duration{100 * time.Millisecond, libraryTimeout, MaxTimeout} {
		r := load(t, `function ApproveTx() {
			var n
			try { n = new BigNumber("1" + " ".repeat(1e6) + "x") } catch (e) {}
			return n === undefined || !n.gt(5) ? "Approve" : "Reject"
		}`, Options{Timeout: limit})
		decision := judge(t, r, transfer(1, big.NewInt(1), nil))
		if decision.Verdict != rules.Refer || strings.Contains(decision.Reason, "left behind") && limit == libraryTimeout {
			t.Errorf("%s: got %+v", limit, decision)
		}
		t.Log(decision.Reason)
		ended(r)
	}
}

// TestClosedRulesetsDecide: only the preparation ends.
func TestClosedRulesetsDecide(t *testing.T) {
	r := load(t, `function ApproveTx() { return "Approve" }`, Options{})
	r.Close()
	for range 20 { // what was ready, and what is made in the call
		if decision := judge(t, r, transfer(1, big.NewInt(1), nil)); decision.Verdict != rules.Approve {
			t.Fatalf("got %+v", decision)
		}
	}
}

// TestOptionsAreChecked covers limits that make no sense.
func TestOptionsAreChecked(t *testing.T) {
	for _, options := range []Options{{MemoryLimit: MaxMemory + 1}, {Timeout: -1}, {Timeout: MaxTimeout + 1}, {WaitTimeout: -1}, {Room: MaxRoom + 1}} {
		if r, err := Load("rules.js", []byte(``), options); err == nil {
			r.Close()
			t.Errorf("%+v is taken", options)
		}
	}
}

// TestVocabulary: a file that can reach a name that is not in its text has all.
func TestVocabulary(t *testing.T) {
	for source, all := range map[string]bool{
		`function ApproveTx(r) { return r.call_info ? list[r.transaction.to] : "Reject" }`: false,
		`a["b"]()`: true, `a[b]()`: true, `a?.[b]()`: true, `new a[b]()`: true, "a[b]`c`": true, `a[b]`: false,
		`eval(a)`: true, `a.call(b)`: true, `a.apply(b)`: true, `x.constructor`: true, `\u0061.b()`: true, `[].__proto__`: true,
		`Object.keys(a)`: false, `a.slice(1)`: false,
	} {
		_, words, err := compile("rules.js", []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		if words.all != all {
			t.Errorf("%s: %v", source, words.all)
		}
	}
}

// TestLongChains: chains of any length that fits into memory can be walked
// along. What is decided does not matter: an overflow of the stack would end
// the process.
func TestLongChains(t *testing.T) {
	for _, link := range []string{
		"new Proxy(p, handler)", "new Proxy({}, p)", "Proxy.revocable(p, handler).proxy", "Reflect.construct(Proxy, [p, handler])",
		"Object.create(p)", "new Proxy(Object.create(p), handler)", "p.bind(null)", "Object.setPrototypeOf([], p)",
	} {
		for _, length := range []string{"250000", "1000000"} {
			t.Run(length+" "+link, func(t *testing.T) {
				r := load(t, `function ApproveTx() {
					var p = function () {}, handler = {}
					for (var i = 0; i < `+length+`; i++) { try { p = `+link+` } catch (e) { break } }
					try { p.a = 1 } catch (e) {}
					try { p.b; "c" in p; delete p.d } catch (e) {}
					try { p() } catch (e) {}
					return "Approve"
				}`, Options{})
				t.Log(judge(t, r, transfer(1, big.NewInt(1), nil)).Reason)
			})
		}
	}
}
