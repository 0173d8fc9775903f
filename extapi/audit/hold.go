package audit

import (
	"fmt"
	"strings"
	"time"
)

// Hold is what a decision counts against limits. A store that relies on the log takes
// it from here when it has forgotten it: it is never cut.
type Hold struct {
	ID      uint64    `json:"id"`   // in the store
	Time    time.Time `json:"time"` // UTC; when it was counted
	Charges []Charge  `json:"charges"`
}

// Charge is what is counted against one limit.
type Charge struct {
	Counter string    `json:"counter"`
	Slot    string    `json:"slot,omitempty"`
	Amount  string    `json:"amount"`  // decimal, in the limit's unit
	Expires time.Time `json:"expires"` // UTC; when it no longer counts
}

// Bounds of a hold.
const (
	MaxHoldCharges = 16
	MaxHoldText    = 4 << 10 // bytes of counters and slots, in printable ASCII
)

// check refuses a hold that would not be read back as it is.
func (h *Hold) check() error {
	if h == nil {
		return nil
	}
	n := 0
	for _, c := range h.Charges {
		n += len(c.Counter) + len(c.Slot)
		if strings.ContainsFunc(c.Counter+c.Slot, unprintable) || len(c.Amount) > boundNumber || strings.Trim(c.Amount, "0123456789") != "" {
			return fmt.Errorf("an audit entry has a hold with the charge %q, %q of %.100q: want printable ASCII and a decimal number", c.Counter, c.Slot, c.Amount)
		}
	}
	if len(h.Charges) > MaxHoldCharges || n > MaxHoldText {
		return fmt.Errorf("an audit entry has a hold of %d charges with names of %d bytes, and may have one of %d with %d", len(h.Charges), n, MaxHoldCharges, MaxHoldText)
	}
	return nil
}

// utc returns the hold with its times as they are written.
func (h *Hold) utc() *Hold {
	if h == nil {
		return nil
	}
	u := Hold{ID: h.ID, Time: h.Time.UTC(), Charges: make([]Charge, len(h.Charges))}
	for i, c := range h.Charges {
		c.Expires = c.Expires.UTC()
		u.Charges[i] = c
	}
	return &u
}
