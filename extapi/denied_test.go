package extapi

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/rules"
)

// denying refuses everything with one decision.
type denying struct {
	decision rules.Decision
	err      error
	request  string // id of the last request
}

func (d *denying) Decide(_ context.Context, req *rules.Request) (rules.Decision, error) {
	d.request = req.ID
	return d.decision, d.err
}

func (*denying) Settle(context.Context, *rules.Request, rules.Decision, rules.Result) error {
	return nil
}

// TestPoliciesNameTheRule checks what callers are told over the wire of a refusal:
// Clef's text and the id of the request, of a policy the rule, and never why.
func TestPoliciesNameTheRule(t *testing.T) {
	const secret = "2 of 3 ether are used"
	for name, tt := range map[string]struct {
		decision rules.Decision
		want     string
	}{
		"a rule of a policy": {rules.Decision{Verdict: rules.Reject, Rule: "pay", Policy: common.Hash{1}, Reason: secret, Explanation: secret}, "map[request:%s rule:pay]"},
		"no rule of it":      {rules.Decision{Verdict: rules.Reject, Policy: common.Hash{1}, Reason: secret}, "map[request:%s]"},
		"a rule file":        {rules.Decision{Verdict: rules.Reject, Rule: "rules.js:ApproveListing", Reason: secret}, "map[request:%s]"},
	} {
		decider := &denying{decision: tt.decision}
		account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = decider })
		err := inProcess(t, account).CallContext(t.Context(), nil, "account_list")
		var coded rpc.Error
		var data rpc.DataError
		if !errors.As(err, &coded) || coded.ErrorCode() != -32000 || err.Error() != "request denied" || !errors.As(err, &data) {
			t.Fatalf("%s: %v", name, err)
		}
		want := fmt.Sprintf(tt.want, decider.request)
		if got := fmt.Sprint(data.ErrorData()); got != want || decider.request == "" {
			t.Errorf("%s: data %s, want %s", name, got, want)
		}
	}
}

// TestNoState: who can't be judged for want of the state is told so, and which request it
// was.
func TestNoState(t *testing.T) {
	for text, cause := range map[string]error{
		"request denied: the signer can't use its state, and without it nothing is signed": fmt.Errorf("%w: db.example is down", rules.ErrNoState),
		"request denied": errors.New("secret"),
	} {
		decider := &denying{err: cause}
		account, _ := newTestAccount(t, func(cfg *Config) { cfg.Decider = decider })
		_, err := sign(t, inProcess(t, account), dynamicFee)
		var data rpc.DataError
		if err == nil || err.Error() != text || !errors.As(err, &data) {
			t.Fatalf("%v", err)
		}
		if got, want := fmt.Sprint(data.ErrorData()), fmt.Sprintf("map[request:%s]", decider.request); got != want {
			t.Errorf("data %s, want %s", got, want)
		}
	}
}
