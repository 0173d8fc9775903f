package approval_test

import (
	"context"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
)

// overLimit counts payments against a limit that people may approve the passing of.
type overLimit struct{}

func (overLimit) Evaluate(_ context.Context, r *rules.Request) (rules.Decision, rules.Hold, error) {
	return rules.Decision{Verdict: rules.Approve, Rule: "r", OverLimit: finance(), Charges: []rules.Charge{{
		Counter: "daily", Limit: "daily", Slot: "1/0x71/7", Amount: *uint256.MustFromBig(r.Transaction.Value()), Cap: *uint256.NewInt(100), Window: time.Hour,
	}}}, nil, nil
}

// TestAskedAndBumped: while people are asked about a payment, the same with higher fees is a
// question of its own.
func TestAskedAndBumped(t *testing.T) {
	h := newHouse(t, nil)
	engine := &rules.Engine{Rules: []rules.Rule{overLimit{}}, Approver: h.Queue, Ledger: h.ledger}
	to := common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	tickets := make(map[string]int)
	for _, tip := range []int64{2, 2, 3} {
		r := payment(500)
		r.Transaction = types.NewTx(&types.DynamicFeeTx{ChainID: big.NewInt(1), Nonce: 7, GasTipCap: big.NewInt(tip), GasFeeCap: big.NewInt(tip), Gas: 21000, To: &to, Value: big.NewInt(500)})
		r.Digest = types.LatestSignerForChainID(big.NewInt(1)).Hash(r.Transaction)
		d, err := engine.Decide(t.Context(), r)
		if err != nil || d.Verdict != rules.Refer || d.Ticket == "" {
			t.Errorf("500 of 100, tip %d: %v, ticket %q, %v", tip, d.Verdict, d.Ticket, err)
		}
		tickets[d.Ticket]++
	}
	if len(tickets) != 2 {
		t.Errorf("%v", tickets)
	}
}
