package main

import (
	"math/big"
	"strings"
)

// ether writes an amount of wei in ether, exactly.
func ether(wei *big.Int) string { return decimal(wei, 18) + " ether" }

// gwei writes an amount of wei in gwei, exactly.
func gwei(wei *big.Int) string { return decimal(wei, 9) + " gwei" }

// decimal writes n / 10^places without needless zeros.
func decimal(n *big.Int, places int) string {
	text := new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)).FloatString(places)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
