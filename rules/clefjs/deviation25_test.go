package clefjs

import (
	"math/big"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// TestDeviation25BigNumberTakesPrefixes: a limit that is written as Clef's
// documentation has it holds. In Clef it throws, and decides nothing.
func TestDeviation25BigNumberTakesPrefixes(t *testing.T) {
	ruleset := load(t, `function ApproveTx(r) {
		return new BigNumber(r.transaction.value).gt(new BigNumber("0x10")) ? "Reject" : "Approve"
	}`, Options{})
	for wei, want := range map[int64]rules.Verdict{0: rules.Approve, 16: rules.Approve, 17: rules.Reject} {
		if got := judge(t, ruleset, transfer(1, big.NewInt(wei), nil)); got.Verdict != want {
			t.Errorf("%d wei: %+v, want %v", wei, got, want)
		}
	}
}
