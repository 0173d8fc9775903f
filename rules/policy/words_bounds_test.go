package policy

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/calldata/calldatatest"
	"github.com/kvclef/kvclef/rules/facts"
)

// boundsOf loads a policy for each of some bounds of a word, and returns them as rules are
// ruled out by them.
func boundsOf(t *testing.T, line string, bounds []string) []predicate {
	t.Helper()
	var all []predicate
	for _, bound := range bounds {
		p, err := Load("p.yaml", []byte(namesOfLines+"  - {id: it, effect: deny, match: {"+fmt.Sprintf(line, bound)+"}}\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, predicates := range [][]predicate{p.rules[0].Match.Request, p.rules[0].Match.Action, p.rules[0].Match.Effects} {
			for _, one := range predicates {
				for _, part := range append([]predicate{one}, partsIn(one)...) {
					if bounded, ok := part.(interface{ reaches() reach }); ok && bounded.reaches().bound != nil {
						all = append(all, part)
					}
				}
			}
		}
	}
	return all
}

// TestBoundsAreInOrder: whoever fails a bound fails all narrower ones. Rules are ruled out by
// that without being asked, also those that deny.
func TestBoundsAreInOrder(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 26, 12, 0, 0, 500, time.UTC)
	var asked []*facts.Facts
	for _, n := range []int64{0, 1, 2, 5, 100} {
		req := spends(usdcAddress, n, calldatatest.Pack(t, "transfer(address,uint256)", paidTo, big.NewInt(n)))
		data := req.Transaction.Data()
		req.Transaction = types.NewTx(&types.DynamicFeeTx{
			ChainID: big.NewInt(1), Nonce: uint64(n), Gas: uint64(n), GasFeeCap: big.NewInt(n), GasTipCap: big.NewInt(n), To: &usdcAddress, Value: big.NewInt(n), Data: data,
		})
		document := permitOf(usdcAddress, paidTo, big.NewInt(1))
		document.TypedData.Message["value"] = fmt.Sprint(n)
		plain := spends(paidTo, n, make([]byte, n))
		for i, req := range []*rules.Request{req, document, plain} {
			asked = append(asked, facts.Of(req, at.Add(time.Duration(n)*time.Duration(1-i)*time.Second)))
		}
	}
	numbers := []string{"0", "1", "2", "4", "5", "99", "100", "101"}
	wei, usdc := make([]string, len(numbers)), make([]string, len(numbers))
	for i := range numbers {
		wei[i], usdc[i] = numbers[i]+" wei", fmt.Sprintf("0.000%03s USDC", numbers[i])
	}
	times := []string{"2026-11-26T11:58:20Z", "2026-11-26T12:00:00Z", "2026-11-26T12:00:00.0000005Z", "2026-11-26T12:00:00.9Z", "2026-11-26T12:00:01.0000006Z", "2026-11-26T12:01:40.000001Z"}
	for line, bounds := range map[string][]string{
		"data_max: %s": {"0", "1", "67", "68", "99", "100", "101"}, "gas_max: %s": numbers, "nonce_max: %s": numbers, "blobs_max: %s": numbers,
		"value_max: %s": wei, "value_min: %s": wei, "fee_cap_max: %s": wei, "tip_cap_max: %s": wei, "blob_fee_cap_max: %s": wei, "gas_cost_max: %s": wei, "spend_max: %s": wei,
		"amount_max: %s": usdc, "amount_min: %s": usdc, "not_before: %s": times, "not_after: %s": times,
		`function: "transfer(address,uint256)", args: {1: {max: %s}}`: numbers, `function: "transfer(address,uint256)", args: {1: {min: %s}}`: numbers,
		"message: {value: {max: %s}}": numbers, "message: {value: {min: %s}}": numbers,
	} {
		all := boundsOf(t, line, bounds)
		if len(all) != len(bounds) {
			t.Errorf("%s: %d of %d bounds are known", line, len(all), len(bounds))
		}
		for _, narrow := range all {
			for _, wide := range all {
				if narrow.(interface{ reaches() reach }).reaches().compare(wide.(interface{ reaches() reach }).reaches()) >= 0 {
					continue
				}
				for _, f := range asked {
					s := &subject{Facts: f}
					if len(f.Actions) > 0 {
						s.action = &f.Actions[0]
						if len(s.action.Effects) > 0 {
							s.effect = &s.action.Effects[0]
						} else if line[:6] == "amount" {
							continue
						}
					}
					if got, than := narrow.test(s), wide.test(s); got == isTrue && than != isTrue || got != isFalse && than == isFalse {
						t.Errorf("%s is narrower than %s, and answers %d where that answers %d", narrow.want(), wide.want(), got, than)
					}
				}
			}
		}
	}
	if below := boundsOf(t, "message: {value: {min: %s}}", []string{"-1", "-5"}); len(below) != 0 {
		t.Errorf("bounds below zero are in no order: %v", below)
	}
}
