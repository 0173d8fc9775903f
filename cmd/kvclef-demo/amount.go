package main

import (
	"math/big"

	"github.com/kvclef/kvclef/rules/units"
)

// ether writes an amount of wei in ether, exactly.
func ether(wei *big.Int) string { return units.Text(wei.String(), units.Ether) + " ether" }

// gwei writes an amount of wei in gwei, exactly.
func gwei(wei *big.Int) string { return units.Text(wei.String(), units.Gwei) + " gwei" }
