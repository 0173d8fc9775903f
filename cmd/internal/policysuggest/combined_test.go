package policysuggest_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/kvclef/kvclef/cmd/internal/policysuggest"
	"github.com/kvclef/kvclef/rules"
)

// TestWhatIsCombinedIsSaid: a rule that lists several owners and several recipients,
// or addresses at several places, says that they may stand together as they were not
// seen; and that no limit counts the tokens of others.
func TestWhatIsCombinedIsSaid(t *testing.T) {
	t.Parallel()
	const pay = "pay(address,address,uint256)"
	pays := func(from, to string) *rules.Request {
		return call(t, address("c"), true, pay, address(from), address(to), big.NewInt(1))
	}
	mails := func(from, to string) *rules.Request {
		return mail("address from,address to", map[string]any{"from": address(from).Hex(), "to": address(to).Hex()})
	}
	const owners, together, uncounted = "tokens of each may go to each recipient", "each address at one place may stand with each at another", "# No limit of tokens of others"
	for name, tt := range map[string]struct {
		signed []*rules.Request
		says   []string
		silent []string
	}{
		"owners":           {[]*rules.Request{pulls(t, address("3"), cold, million(1)), pulls(t, address("6"), address("7"), million(1))}, []string{owners, uncounted}, []string{together}},
		"one owner":        {[]*rules.Request{pulls(t, address("3"), cold, million(1)), pulls(t, address("3"), address("7"), million(1))}, []string{uncounted}, []string{owners, together}},
		"the account":      {[]*rules.Request{pulls(t, hot, cold, million(1)), pulls(t, hot, address("7"), million(1))}, nil, []string{owners, uncounted, together}},
		"arguments":        {[]*rules.Request{pays("3", "4"), pays("6", "7")}, []string{together}, []string{owners, uncounted}},
		"arguments of one": {[]*rules.Request{pays("3", "4"), pays("3", "7")}, nil, []string{together}},
		"members":          {[]*rules.Request{mails("3", "4"), mails("6", "7")}, []string{together}, []string{owners, uncounted}},
	} {
		source := string(drafted(t, with(tt.signed...), policysuggest.Options{}).Source)
		for _, text := range tt.says {
			if !strings.Contains(source, text) {
				t.Errorf("%s: %q is not said by\n%s", name, text, source)
			}
		}
		for _, text := range tt.silent {
			if strings.Contains(source, text) {
				t.Errorf("%s: %q is said by\n%s", name, text, source)
			}
		}
	}
}

// TestAllowancesLast: how long an allowance of Permit2 lasts is no deadline, and it is
// said that no word bounds it.
func TestAllowancesLast(t *testing.T) {
	t.Parallel()
	single := func(expiration string) *rules.Request {
		req := typed(hot, 1, usdc, "PermitSingle", map[string]string{
			"PermitSingle": "PermitDetails details,address spender,uint256 sigDeadline", "PermitDetails": "address token,uint160 amount,uint48 expiration,uint48 nonce",
		}, map[string]any{
			"details": map[string]any{"token": usdc.Hex(), "amount": "5", "expiration": expiration, "nonce": "0"},
			"spender": cold.Hex(), "sigDeadline": fmt.Sprint(began().Add(80 * time.Minute).Unix()),
		})
		req.TypedData.Domain = apitypes.TypedDataDomain{Name: "Permit2", VerifyingContract: "0x000000000022D473030F116dDEE9F6B43aC78BA3"}
		req.TypedData.Types["EIP712Domain"] = []apitypes.Type{{Name: "name", Type: "string"}, {Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}}
		return req
	}
	draft := drafted(t, with(single("1767607200")), policysuggest.Options{})
	if why := decides(t, draft, single("281474976710655")); (why == "") != strings.Contains(string(draft.Source), "# expiration is open") {
		t.Errorf("%q by\n%s", why, draft.Source)
	}
	if !strings.Contains(string(draft.Source), "primary_type: [PermitSingle]") {
		t.Errorf("it is not covered by\n%s", draft.Source)
	}
}

// TestOneTextIsNotAll: a text that can't be printed takes nothing from the rule of
// those that begin alike and can be.
func TestOneTextIsNotAll(t *testing.T) {
	t.Parallel()
	l := with(message(hot, "Sign in again, now\x00"))
	for i := range 9 {
		l.signed(message(hot, "Sign in again, "+strings.Repeat("please ", i)))
		l.signed(message(hot, "Log in again,\t"+strings.Repeat("please ", i)))
	}
	draft := drafted(t, l, policysuggest.Options{})
	for text, allowed := range map[string]bool{
		"Sign in again, soon": true, "Sign in again, now\x00": true, "Sign in again, \x00": false, "Sign in again, \xff": false, "Log in again,\tsoon": true,
	} {
		if why := decides(t, draft, message(hot, text)); (why == "") != allowed {
			t.Errorf("%q: %q\n%s", text, why, draft.Source)
		}
	}
	if !strings.Contains(string(draft.Source), "any bytes may follow") {
		t.Errorf("it is not said what is open:\n%s", draft.Source)
	}
}
