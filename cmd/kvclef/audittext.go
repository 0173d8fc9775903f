package main

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/kvclef/kvclef/rules/units"
)

// shown returns a text that somebody else chose as it may go to a terminal: on
// one line, with what does not print, and the backslash, escaped as in Go. That
// includes the characters that move the cursor, hide, or turn the direction.
func shown(text string) string {
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// quotedText is shown, in quotes when its end could not be told otherwise.
func quotedText(text string) string {
	if strings.ContainsAny(text, ` "`) {
		return strconv.Quote(text)
	}
	return shown(text)
}

// etherOf returns an amount of wei in ether, exactly and without needless
// zeros; "" if the text is no decimal number.
func etherOf(wei string) string {
	amount, ok := new(big.Int).SetString(wei, 10)
	if !ok || amount.Sign() < 0 || len(wei) > 80 {
		return ""
	}
	return units.Text(amount.String(), units.Ether)
}

// shortAddress keeps the ends of an address, for a column in which it repeats.
// Recipients are never shortened: lookalikes have the same ends.
func shortAddress(address string) string {
	const length = 42
	if len(address) != length {
		return shown(address)
	}
	return shown(address[:6] + "…" + address[length-4:])
}
