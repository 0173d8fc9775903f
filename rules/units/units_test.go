package units_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules/units"
)

func TestWei(t *testing.T) {
	t.Parallel()
	for wei, want := range map[string]string{
		"0":                   "0 wei",
		"7":                   "7 wei",
		"999999":              "999999 wei",
		"1000000":             "0.001 gwei",
		"20000000000":         "20 gwei",
		"99999999999999":      "99999.999999999 gwei",
		"100000000000000":     "0.0001 ether",
		"1500000000000000000": "1.5 ether",
		"115792089237316195423570985008687907853269984665640564039457584007913129639935": "115792089237316195423570985008687907853269984665640564039457.584007913129639935 ether",
	} {
		if got := units.Wei(uint256.MustFromDecimal(wei)); got != want {
			t.Errorf("%s: got %s, want %s", wei, got, want)
		}
	}
}

// TestTextIsExact: what is written is the number itself, in its shortest form.
func TestTextIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		number := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(r, "number"))
		places := rapid.IntRange(0, 80).Draw(r, "places")
		text := units.Text(number.String(), places)
		read, ok := new(big.Rat).SetString(text)
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
		if !ok || read.Cmp(new(big.Rat).SetFrac(number, scale)) != 0 {
			r.Fatalf("%s with %d places is %s", number, places, text)
		}
		if strings.Contains(text, ".") && (strings.HasSuffix(text, "0") || strings.HasSuffix(text, ".")) {
			r.Fatalf("%s has a needless end", text)
		}
	})
}
