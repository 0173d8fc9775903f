package clefjs

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// TestCopiesOfLongTexts: {...value} of a caller's text makes a member of each character,
// which nothing can stop. Files that copy so are not asked about long requests.
func TestCopiesOfLongTexts(t *testing.T) {
	t.Parallel()
	for source, copies := range map[string]bool{
		`function ApproveSignData(r) { var o = {a: 1, ...r.messages[0].value}; return "Approve" }`:    true,
		`function ApproveSignData(r) { var {a, ...o} = r.messages[0].value; return "Approve" }`:       true,
		`function ApproveSignData(r, {a, ...o} = {}) { return "Approve" }`:                            true,
		`function ApproveSignData(r) { for (var {...o} of []); return "Approve" }`:                    true,
		`function ApproveSignData(r) { eval("({...'a'})"); return "Approve" }`:                        true,
		`function ApproveSignData(r) { var [a, ...o] = [1], b = [...o]; return "Approve" }`:           false,
		`class A { constructor(...a) {} } function ApproveSignData(r) { return "Approve" } // {...a}`: false,
	} {
		r := load(t, source, Options{})
		if got := judge(t, r, message(strings.Repeat("x", 1<<10))); got.Verdict != rules.Approve {
			t.Errorf("%s: a short one: %v, %q", source, got.Verdict, got.Reason)
		}
		got := judge(t, r, message(strings.Repeat("x", 256<<10)))
		if want := "copies members by {...value}, so that it is asked about at most 262144 bytes, and the request has "; copies != strings.Contains(got.Reason, want) || copies != (got.Verdict == rules.Refer) {
			t.Errorf("%s: a long one: %v, %q", source, got.Verdict, got.Reason)
		}
	}
}

// TestCallsTakeTurnsWhenTheMemoryIsFull: what calls take that begin meanwhile does not
// add up.
func TestCallsTakeTurnsWhenTheMemoryIsFull(t *testing.T) {
	t.Parallel()
	r := load(t, `function ApproveTx() { return "Approve" }`, Options{WaitTimeout: 20 * time.Millisecond})
	m, x := r.guard.memory, new(execution)
	both := func() (first, second func(), err error) {
		if first, err = m.turn(t.Context(), time.Second); err != nil {
			return nil, nil, err
		}
		second, err = m.turn(t.Context(), 20*time.Millisecond)
		return first, second, err
	}
	if _, _, err := both(); err != nil {
		t.Errorf("with room: %v", err)
	}
	m.look(x, true)
	m.look(x, true)
	first, _, err := both()
	var busy *BusyError
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "calls of the rule file that fill the memory") {
		t.Fatalf("got %v", err)
	}
	if _, _, err := r.Evaluate(t.Context(), transfer(1, big.NewInt(1), nil)); !errors.As(err, &busy) {
		t.Errorf("a call: %v", err)
	}
	first()
	first()
	if got := judge(t, r, transfer(1, big.NewInt(1), nil)); got.Verdict != rules.Approve {
		t.Errorf("the next one: %+v", got)
	}
	m.look(x, false)
	if over := m.over.Load(); over != 0 {
		t.Errorf("%d are over the limit", over)
	}
}

// TestFullMemoryIsNoticed: a script that fills the memory is counted until it ends.
func TestFullMemoryIsNoticed(t *testing.T) {
	r := load(t, `function ApproveTx() { var a = []; for (;;) a.push("x".repeat(1e6) + a.length) }`, Options{MemoryLimit: 8 << 20})
	noticed := make(chan bool)
	done := make(chan struct{})
	go func() {
		seen := false
		for {
			select {
			case <-done:
				noticed <- seen
				return
			case <-time.After(time.Millisecond):
				seen = seen || r.guard.memory.over.Load() > 0
			}
		}
	}()
	decision := judge(t, r, transfer(1, big.NewInt(1), nil))
	close(done)
	if seen := <-noticed; !seen || decision.Verdict != rules.Refer {
		t.Errorf("noticed: %v; %s", seen, fmt.Sprint(decision))
	}
	r.Close()
	deadline := time.After(10 * time.Second)
	for r.guard.memory.over.Load() != 0 {
		select {
		case <-deadline:
			t.Fatal("it is counted for ever")
		case <-time.After(time.Millisecond):
		}
	}
}
