package extapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// changing refuses a transaction with one in its place, and approves that one.
type changing struct {
	substitute *rules.Substitute
	again      bool // refuses the one in its place as well
	asked      []uint64
}

func (c *changing) Decide(ctx context.Context, req *rules.Request) (rules.Decision, error) {
	c.asked = append(c.asked, req.Transaction.Nonce())
	if !c.again && rules.SubstituteOf(ctx) == c.substitute {
		return rules.Decision{Verdict: rules.Approve, Rule: "ui"}, nil
	}
	return rules.Decision{Verdict: rules.Reject, Rule: "ui", Instead: c.substitute}, nil
}

func (*changing) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error {
	return nil
}

// TestInstead: what people put in the place of a transaction is decided anew, once,
// and is of the same account.
func TestInstead(t *testing.T) {
	t.Parallel()
	const form = `{"from":%q,"to":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","gas":"0x5208","value":"0x1","nonce":"0x%x","maxFeePerGas":"0x2","maxPriorityFeePerGas":"0x1"}`
	for name, tt := range map[string]struct {
		instead func(from common.Address) string
		again   bool
		signed  bool
		asked   string
	}{
		"another nonce":   {instead: func(from common.Address) string { return fmt.Sprintf(form, from.Hex(), 9) }, signed: true, asked: "[7 9]"},
		"changed again":   {instead: func(from common.Address) string { return fmt.Sprintf(form, from.Hex(), 9) }, again: true, asked: "[7 9]"},
		"another account": {instead: func(common.Address) string { return fmt.Sprintf(form, common.Address{1}.Hex(), 9) }, asked: "[7]"},
		"no transaction":  {instead: func(common.Address) string { return `[]` }, asked: "[7]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decider := &changing{again: tt.again}
			account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = decider })
			from := account.signer.Accounts()[0].Address
			decider.substitute = &rules.Substitute{Transaction: json.RawMessage(tt.instead(from))}
			var args TransactionArgs
			if err := json.Unmarshal(fmt.Appendf(nil, form, from.Hex(), 7), &args); err != nil {
				t.Fatal(err)
			}
			signed, err := account.SignTransaction(t.Context(), args, nil)
			if (err == nil) != tt.signed || err != nil && (!errors.Is(err, errDenied) || err.Error() != "request denied") {
				t.Fatalf("%v, %v", signed, err)
			}
			if tt.signed && signed.Tx.Nonce() != 9 {
				t.Errorf("signed nonce %d", signed.Tx.Nonce())
			}
			if got := fmt.Sprint(decider.asked); got != tt.asked {
				t.Errorf("decided %s, want %s", got, tt.asked)
			}
		})
	}
}
