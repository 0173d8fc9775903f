package policytest

import (
	"strings"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules/limit"
)

// Amount writes what a limit counts in the unit that people have for it.
func (n Names) Amount(l *limit.Limit, amount *uint256.Int) string {
	switch l.Measure {
	case limit.Value, limit.GasCost, limit.Spend:
		return decimalText(amount, n.units["ether"]) + " ether"
	case limit.Amount:
		if l.Token == nil {
			return amount.Dec()
		}
		for name, decimals := range n.units {
			if n.addresses[name] == l.Token.Hex() {
				return decimalText(amount, decimals) + " " + name
			}
		}
	}
	return amount.Dec()
}

// decimalText writes a number with places after the point, without zeros at the
// end.
func decimalText(amount *uint256.Int, decimals int) string {
	digits := amount.Dec()
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals+1-len(digits)) + digits
	}
	point := len(digits) - decimals
	return strings.TrimSuffix(strings.TrimRight(digits[:point]+"."+digits[point:], "0"), ".")
}
