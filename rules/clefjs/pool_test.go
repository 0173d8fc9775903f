package clefjs

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"github.com/kvclef/kvclef/rules"
)

// TestMachinesAreMadeAhead: a call takes a machine in which the file has run
// already, for itself alone, and makes one only if none is left.
func TestMachinesAreMadeAhead(t *testing.T) {
	r := load(t, `function ApproveTx() { return "Approve" }`, Options{})
	ready := cap(r.pool.ready)
	if ready == 0 {
		t.Fatal("no machine is made ahead")
	}
	for len(r.pool.ready) < ready {
		<-time.After(time.Millisecond)
	}
	r.Close()
	// Whoever runs the file now finds another.
	r.program = goja.MustCompile("rules.js", `throw new Error("run in the call")`, false)
	for i := range ready {
		if got := judge(t, r, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Approve {
			t.Fatalf("call %d of %d: got %v, %q", i+1, ready, got.Verdict, got.Reason)
		}
	}
	if got := judge(t, r, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Refer || !strings.Contains(got.Reason, "run in the call") {
		t.Errorf("without a machine: got %v, %q", got.Verdict, got.Reason)
	}
}
