// Package units writes amounts for people: exactly, with a point where they
// expect it. It never rounds, and reads nothing.
package units

import (
	"strings"

	"github.com/holiman/uint256"
)

// Decimals of the units of ether.
const (
	Ether = 18
	Gwei  = 9
)

// Text puts a point before the last places of a number in decimal digits,
// without zeros at its end: "1500" with 3 places is "1.5".
func Text(digits string, places int) string {
	if len(digits) <= places {
		digits = strings.Repeat("0", places-len(digits)+1) + digits
	}
	whole, fraction := digits[:len(digits)-places], strings.TrimRight(digits[len(digits)-places:], "0")
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// Wei writes wei with the unit in which it is short: "0.0015 ether", "20 gwei",
// "7 wei".
func Wei(wei *uint256.Int) string {
	switch {
	case wei.IsZero():
		return "0 wei"
	case wei.CmpUint64(1e14) >= 0:
		return Text(wei.Dec(), Ether) + " ether"
	case wei.CmpUint64(1e6) >= 0:
		return Text(wei.Dec(), Gwei) + " gwei"
	default:
		return wei.Dec() + " wei"
	}
}
