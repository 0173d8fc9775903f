package policytest

import (
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/limit"
	"github.com/kvclef/kvclef/rules/units"
)

// Amount writes what a limit counts in the unit that people have for it.
func (n Names) Amount(l *limit.Limit, amount *uint256.Int) string {
	switch l.Measure {
	case limit.Value, limit.GasCost, limit.Spend:
		return units.Text(amount.Dec(), n.units["ether"]) + " ether"
	case limit.Amount:
		if l.Token == nil {
			return amount.Dec()
		}
		for name, decimals := range n.units {
			if n.addresses[name] == l.Token.Hex() {
				return units.Text(amount.Dec(), decimals) + " " + name
			}
		}
	}
	return amount.Dec()
}
