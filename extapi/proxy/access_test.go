package proxy

import (
	"context"
	"encoding/json"
	"testing"
)

func nothing(context.Context, json.RawMessage) (any, error) { return nil, nil }

func TestAccess(t *testing.T) {
	type verdicts map[string]bool
	for name, c := range map[string]struct {
		cfg  Config
		want verdicts
	}{
		"default": {Config{}, verdicts{
			"eth_blockNumber": true, "eth_sendRawTransaction": true, "eth_subscribe": true, "net_version": true, "made_up": true, "plain": true,
			"trace_block": true, "txpool_content": true, "eth_signTransactionX": true, "debugger_x": true, "debug": true,
			"debug_traceTransaction": false, "DEBUG_traceTransaction": false, "dEbUg_": false, "admin_peers": false, "personal_sign": false,
			"engine_newPayloadV4": false, "miner_start": false, "clique_propose": false, "les_x": false, "account_list": false,
			"clef_x": false, "signer_x": false, "parity_setMode": false, "db_putString": false, "shh_post": false, "bzz_x": false,
			"eth_resend": false, "ETH_RESEND": false, "eth_submitTransaction": false, "eth_sign": false, "eth_signTypedData": false,
			"eth_sendTransactionAsync": false, "klay_sendTransaction": false, "kaia_sign": false, "klay_blockNumber": true, "dev_setFeeRecipient": false,
			"testing_buildBlockV1": false, "eth_signTypedData_v4": false, "eth_sendTransaction": false, "eth_signTransaction": false,
		}},
		"handled": {Config{Methods: map[string]Method{"eth_sendTransaction": nothing, "my_Method": nothing}, Allow: []string{"*"}}, verdicts{
			"eth_sendTransaction": false, "eth_sendtransaction": false, "ETH_SendTransaction": false, "my_method": false, "my_Methods": true,
		}},
		"allowed": {Config{Allow: []string{"debug_traceTransaction", "admin_*"}}, verdicts{
			"debug_traceTransaction": true, "debug_TraceTransaction": false, "debug_setHead": false, "admin_peers": true, "Admin_peers": false,
		}},
		"denied": {Config{Deny: []string{"eth_getLogs", "trace_*", "debug_setHead"}, Allow: []string{"debug_*", "eth_getLogs"}}, verdicts{
			"eth_getLogs": false, "eth_GETLOGS": false, "trace_block": false, "Trace_block": false, "debug_setHead": false, "debug_x": true,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := newAccess(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			for method, want := range c.want {
				if got := a.allows(method); got != want {
					t.Errorf("%s: got %v", method, got)
				}
			}
		})
	}
	for _, entry := range []string{"", "a*b", "**", "debug _*", "é"} {
		if _, err := newAccess(Config{Allow: []string{entry}}); err == nil {
			t.Errorf("entry %q was taken", entry)
		}
	}
}
