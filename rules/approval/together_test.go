package approval_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// TestLiftedTogether: where a request passes so many totals that its limit is lifted as a
// whole, what people see does not say of those that have room that they are passed.
func TestLiftedTogether(t *testing.T) {
	t.Parallel()
	for passed, together := range map[int]bool{rules.MaxLifts: false, rules.MaxLifts + 1: true} {
		t.Run(fmt.Sprint(passed), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			var charges []rules.Charge
			for i := range passed + 3 { // of which three have room
				amount := uint64(200)
				if i >= passed {
					amount = 1
				}
				charges = append(charges, rules.Charge{Counter: fmt.Sprint("person/", i), Limit: "person", Slot: "s", Amount: *uint256.NewInt(amount), Cap: *uint256.NewInt(100), Window: time.Hour})
			}
			engine := &rules.Engine{Rules: []rules.Rule{script{rules.Decision{
				Verdict: rules.Approve, Rule: "r", Charges: charges,
				OverLimit: &rules.Quorum{Group: "board", Threshold: 1, Of: []string{"bob"}, Expires: time.Hour},
			}}}, Approver: h.Queue, Ledger: h.ledger}
			s, err := sheet.Of(h.ticket(t, decide(t, engine, payment(1)).Ticket), sheet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Warnings) != 1 || s.Warnings[0] != "It passes the limit person: an approval lets it" {
				t.Errorf("%q", s.Warnings)
			}
			said := make(map[string]int)
			for _, section := range s.Sections {
				for _, fact := range section.Facts {
					if fact.Name == "limit" {
						said[fact.Text]++
					}
				}
			}
			over := " of 100 in 1h, which with what counts already is MORE THAN THE LIMIT"
			want := map[string]int{"200" + over: passed, "1 of 100 in 1h": 3}
			if together {
				over += ", or has room: limits of this kind are lifted together"
				want = map[string]int{"200" + over: passed, "1" + over: 3}
			}
			if len(said) != len(want) {
				t.Errorf("it says %v", said)
			}
			for text, times := range want {
				if said[text] != times {
					t.Errorf("it says %d times and not %d %q", said[text], times, strings.TrimSpace(text))
				}
			}
		})
	}
}
