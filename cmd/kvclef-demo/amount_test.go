package main

import (
	"math/big"
	"testing"
)

func TestAmounts(t *testing.T) {
	tests := []struct{ wei, ether, gwei string }{
		{"0", "0 ether", "0 gwei"},
		{"1", "0.000000000000000001 ether", "0.000000001 gwei"},
		{"1000000000000000000", "1 ether", "1000000000 gwei"},
		{"1000000000000000000000000", "1000000 ether", "1000000000000000 gwei"},
		{"1500000007000000000", "1.500000007 ether", "1500000007 gwei"},
	}
	for _, test := range tests {
		wei, _ := new(big.Int).SetString(test.wei, 10)
		if got := ether(wei); got != test.ether {
			t.Errorf("ether(%s) = %q, want %q", test.wei, got, test.ether)
		}
		if got := gwei(wei); got != test.gwei {
			t.Errorf("gwei(%s) = %q, want %q", test.wei, got, test.gwei)
		}
	}
}
