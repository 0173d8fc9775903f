package limit

import (
	"errors"
	"fmt"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/facts"
)

// item is an amount, and what it may be kept apart for.
type item struct {
	amount    uint256.Int
	recipient string
	token     string
	argument  string
}

// Charges returns what a request counts against a limit: nothing, or one charge
// for each total. The error says that it can't be measured, and then nothing may
// be signed.
//
// The slot of the charges is the transaction's place, so that its replacement
// counts once: chain, account and nonce. What has no nonce is its own place: the
// account and the digest, or for what a Safe does the digest alone. Signatures
// count by accounts and digests, those of transactions too.
func (l *Limit) Charges(f *facts.Facts) ([]rules.Charge, error) {
	charges, err := l.charges(f)
	if err != nil {
		return nil, fmt.Errorf("limit %s can't be measured: %w", l.ID, err)
	}
	return charges, nil
}

func (l *Limit) charges(f *facts.Facts) ([]rules.Charge, error) {
	p := l.prepared
	if p == nil {
		var err error
		if p, err = l.prepare(); err != nil {
			return nil, err
		}
	}
	if !f.Request.Kind.Signs() {
		return nil, nil
	}
	if f.Kind == "" {
		return nil, fmt.Errorf("the request is of no known kind")
	}
	m := &measuring{Limit: l, prepared: p, facts: f}
	items, err := m.items()
	if err != nil {
		return nil, err
	}
	slot := ""
	var charges []rules.Charge
	places := make(map[string]int, len(items))
	for i := range items {
		if items[i].amount.IsZero() {
			continue
		}
		if slot == "" {
			if m.anyChain() {
				return nil, errors.New("the request names no chain, so that it holds on each, and each has a total of its own")
			}
			slot = m.slot()
		}
		name := m.counter(&items[i])
		if place, ok := places[name]; ok {
			charges[place].Amount = plus(charges[place].Amount, items[i].amount)
			continue
		}
		places[name] = len(charges)
		charges = append(charges, rules.Charge{
			Counter: name, Slot: slot, Amount: items[i].amount, Cap: l.Max, Window: l.Window, Limit: l.ID,
		})
	}
	return charges, nil
}

// plus adds, and stops at 2²⁵⁶−1.
func plus(a, b uint256.Int) uint256.Int {
	sum, overflow := new(uint256.Int).AddOverflow(&a, &b)
	if overflow {
		sum.SetAllOne()
	}
	return *sum
}
