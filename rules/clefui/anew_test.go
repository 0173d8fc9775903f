package clefui_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefui"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// referring is a rule that refers what counts 1 of 1 an hour.
type referring struct{ slot string }

func (r referring) Evaluate(context.Context, *rules.Request) (rules.Decision, rules.Hold, error) {
	c := charges()
	c[0].Slot = r.slot
	return rules.Decision{Verdict: rules.Refer, Rule: "r", Charges: c}, nil, nil
}

// TestHeldAnew: what the interface approves counts from its answer on, also where what was
// held counts no more by then; where others have taken the room meanwhile it is not signed.
func TestHeldAnew(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		slot string
		pass time.Duration // while the user thinks
		take bool          // another takes the room then
		want uint64        // that counts in the end
	}{
		"at once":                   {slot: "1", want: 1},
		"later":                     {slot: "1", pass: 59 * time.Minute, want: 1},
		"too late":                  {slot: "1", pass: 61 * time.Minute, want: 1},
		"too late, and taken":       {slot: "1", pass: 61 * time.Minute, take: true},
		"no slot":                   {pass: 59 * time.Minute, want: 1},
		"no slot, too late":         {pass: 61 * time.Minute, want: 1},
		"no slot, late, and taken":  {pass: 61 * time.Minute, take: true},
		"nothing is left to others": {slot: "1", pass: 59 * time.Minute, take: true, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var passed atomic.Int64
			ledger := memory.NewLedger(func() time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(passed.Load())) })
			s := &screen{answer: map[string]any{"approved": true}, hang: make(chan struct{})}
			ui, _ := connect(t, s, clefui.Options{Ledger: ledger})
			engine := &rules.Engine{Rules: []rules.Rule{referring{tt.slot}}, Ledger: ledger, Approver: ui}
			req := &rules.Request{ID: "r", Kind: rules.KindText}
			type answer struct {
				rules.Decision
				err error
			}
			done := make(chan answer)
			go func() {
				decision, err := engine.Decide(t.Context(), req)
				done <- answer{decision, err}
			}()
			for asked := 0; asked == 0; { // until it is asked
				s.mu.Lock()
				asked = len(s.asked)
				s.mu.Unlock()
				select {
				case <-t.Context().Done():
				case <-time.After(time.Millisecond):
				}
			}
			passed.Store(int64(tt.pass))
			var taken rules.HoldID
			if tt.take {
				other := charges()
				other[0].Slot = "other"
				var err error
				if taken, err = ledger.Hold(t.Context(), other); (err == nil) != (tt.want == 0) {
					t.Fatal(err)
				}
			}
			close(s.hang)
			got := <-done
			if want := [...]rules.Verdict{rules.Reject, rules.Approve}[tt.want]; got.err != nil || got.Verdict != want {
				t.Fatalf("%+v, %v", got.Decision, got.err)
			}
			if tt.want == 1 {
				if err := engine.Settle(t.Context(), req, got.Decision, rules.Result{Outcome: rules.Signed, Signature: [65]byte{1}}); err != nil {
					t.Error(err)
				}
				passed.Add(int64(59 * time.Minute)) // it counts from the answer on
			} else if err := ledger.Release(t.Context(), taken); err != nil {
				t.Error(err)
			}
			if usage, err := ledger.Usage(t.Context(), "c"); err != nil || usage.Used != *uint256.NewInt(tt.want) {
				t.Errorf("%s are used, want %d; %v", usage.Used.Dec(), tt.want, err)
			}
		})
	}
}
