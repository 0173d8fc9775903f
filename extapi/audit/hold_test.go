package audit

import (
	"strings"
	"testing"
)

// A hold is written as it is, or not at all: a store takes it back from the log.
func TestHoldsAreChecked(t *testing.T) {
	t.Parallel()
	charge := Charge{Counter: "a", Amount: "1", Expires: steady()}
	with := func(change func(*Charge)) []Charge {
		changed := charge
		change(&changed)
		return []Charge{charge, changed}
	}
	for name, tt := range map[string]struct {
		charges []Charge
		ok      bool
	}{
		"none":              {nil, true},
		"one":               {[]Charge{charge}, true},
		"as many as may be": {make([]Charge, MaxHoldCharges), true},
		"too many":          {make([]Charge, MaxHoldCharges+1), false},
		"a control":         {with(func(c *Charge) { c.Counter = "a\x01" }), false},
		"other letters":     {with(func(c *Charge) { c.Slot = "é" }), false},
		"no UTF-8":          {with(func(c *Charge) { c.Slot = "\xff" }), false},
		"a long name":       {with(func(c *Charge) { c.Counter = strings.Repeat("a", MaxHoldText) }), false},
		"a sign":            {with(func(c *Charge) { c.Amount = "-1" }), false},
		"no number":         {with(func(c *Charge) { c.Amount = "0x1" }), false},
		"a long number":     {with(func(c *Charge) { c.Amount = strings.Repeat("9", boundNumber+1) }), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := encodeBody(Entry{Event: EventDecision, Hold: &Hold{ID: 1, Time: steady(), Charges: tt.charges}}); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}
