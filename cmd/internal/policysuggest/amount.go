package policysuggest

import (
	"math"
	"math/big"
	"strconv"
	"time"

	"github.com/holiman/uint256"
)

// raised adds the margin to a number and rounds it up to two digits, so that it
// can be read and said. It stops at 2²⁵⁶−1; 0 stays 0.
func raised(value *uint256.Int, margin int) *uint256.Int {
	hundred := big.NewInt(100)
	n := new(big.Int).Mul(value.ToBig(), big.NewInt(int64(100+margin)))
	n = above(n, hundred)
	n.Div(n, hundred)
	if digits := len(n.String()); digits > 2 {
		n = above(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits-2)), nil))
	}
	return saturated(uint256.FromBig(n))
}

// above rounds a number up to a multiple of a unit.
func above(n, unit *big.Int) *big.Int {
	n = new(big.Int).Add(n, unit)
	n.Sub(n, big.NewInt(1))
	n.Div(n, unit)
	return n.Mul(n, unit)
}

// raisedCount is raised for numbers of 64 bits, up to the largest that may stand
// there.
func raisedCount(value *uint256.Int, margin int, most uint64) string {
	n := raised(value, margin)
	if !n.IsUint64() || n.Uint64() > most {
		return strconv.FormatUint(most, 10)
	}
	return n.Dec()
}

// spans are those that a draft has.
func spans() []struct {
	text string
	time.Duration
} {
	const day = 24 * time.Hour
	return []struct {
		text string
		time.Duration
	}{
		{"1m", time.Minute},
		{"5m", 5 * time.Minute},
		{"10m", 10 * time.Minute},
		{"15m", 15 * time.Minute},
		{"30m", 30 * time.Minute},
		{"1h", time.Hour},
		{"2h", 2 * time.Hour},
		{"4h", 4 * time.Hour},
		{"8h", 8 * time.Hour},
		{"12h", 12 * time.Hour},
		{"24h", day},
		{"2d", 2 * day},
		{"3d", 3 * day},
		{"7d", 7 * day},
		{"14d", 14 * day},
		{"30d", 30 * day},
		{"60d", 60 * day},
		{"90d", 90 * day},
		{"180d", 180 * day},
		{"366d", 366 * day},
		{"732d", 732 * day},
		{"1830d", 1830 * day},
		{"3660d", 3660 * day},
	}
}

// raisedSpan adds the margin to a time span and rounds it up, to no more than the
// longest that may stand there.
func raisedSpan(span time.Duration, margin int, most string) string {
	wanted := float64(span) * float64(100+margin) / 100
	for _, s := range spans() {
		if s.text == most || wanted <= float64(s.Duration) && wanted < math.MaxInt64 {
			return s.text
		}
	}
	return most
}
