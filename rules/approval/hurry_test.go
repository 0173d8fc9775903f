package approval_test

import (
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// TestHurry: when the process is about to end, nobody waits for people.
func TestHurry(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	patient := finance()
	patient.Wait = time.Hour
	question, err := h.Ask(t.Context(), payment(5), referral(patient), 0)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan rules.Decision)
	go func() {
		decision, _, _ := question.Await(t.Context())
		told <- decision
	}()
	h.Hurry()
	h.Hurry() // changes nothing
	if decision := <-told; decision.Verdict != rules.Refer || decision.Ticket == "" {
		t.Errorf("told %+v", decision)
	}
	if decision, _, err := question.Await(t.Context()); err != nil || decision.Verdict != rules.Refer {
		t.Errorf("later: %+v, %v", decision, err)
	}
}
