package extapi

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestWarningsAreThePolicys: where a policy decides, a method that no table knows
// refuses nothing but what Clef's own clients ask for.
func TestWarningsAreThePolicys(t *testing.T) {
	const call = `{"from":"` + testAddress + `","to":"` + testAddress + `","nonce":"0x0","gas":"0x5208","gasPrice":"0x1","data":"0xdeadbeef"}`
	for _, c := range []struct {
		policy  bool
		method  string
		refused bool
	}{
		{false, "account_signTransaction", true},
		{false, "eth_sendTransaction", true},
		{true, "account_signTransaction", true},
		{true, "eth_sendTransaction", false},
	} {
		account, _ := newTestAccount(t, func(cfg *Config) { cfg.PolicyDecides = c.policy })
		var args TransactionArgs
		if err := json.Unmarshal([]byte(call), &args); err != nil {
			t.Fatal(err)
		}
		_, err := account.signTransaction(t.Context(), c.method, args, nil, nil)
		if refused := err != nil && strings.Contains(err.Error(), "validation failed"); refused != c.refused || !refused && err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
