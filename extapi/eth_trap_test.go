package extapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// The tests of this file are mistakes that other signers of these methods have
// made, each by the name of what goes wrong.

// TestTrapAccountIsChosenByFrom: a caller with two accounts gets the one that it
// names, and not the first of the configuration.
func TestTrapAccountIsChosenByFrom(t *testing.T) {
	keys := newRing(t, 1)
	w, _ := newEthCaller(t, func(cfg *Config) { cfg.Signer = keys })
	second := keys.Accounts()[1].Address
	var raw hexutil.Bytes
	w.result("eth_signTransaction", "["+altered(t, map[string]any{"from": second})+"]", &raw)
	if from := senderOf(t, raw); from != second {
		t.Errorf("signed by %v, asked %v", from, second)
	}
}

// TestTrapNothingIsSignedForAnotherFrom: whose key it is, is looked at before a
// vault is asked, and not at the signature.
func TestTrapNothingIsSignedForAnotherFrom(t *testing.T) {
	keys := newRing(t, 0)
	w, _ := newEthCaller(t, func(cfg *Config) { cfg.Signer = keys })
	if answer := w.call("eth_signTransaction", "["+altered(t, map[string]any{"from": testRecipient})+"]"); answer.code() != -32010 {
		t.Errorf("%+v", answer.Error)
	}
	if keys.asked != 0 {
		t.Errorf("%d signatures were made", keys.asked)
	}
}

// TestTrapOneSignatureAsksTheVaultOnce: the public key is known.
func TestTrapOneSignatureAsksTheVaultOnce(t *testing.T) {
	keys := newRing(t, 0)
	w, _ := newEthCaller(t, func(cfg *Config) { cfg.Signer = keys })
	var raw hexutil.Bytes
	w.result("eth_signTransaction", "["+opTransaction+"]", &raw)
	if keys.asked != 1 {
		t.Errorf("the vault was asked %d times", keys.asked)
	}
}

// TestTrapChainIsThatOfTheRequest: another one is neither signed for nor put in
// the place of the configured one, for transactions and payloads alike.
func TestTrapChainIsThatOfTheRequest(t *testing.T) {
	w, decider := newEthCaller(t, forChains(10, 1337))
	for _, call := range [][2]string{
		{"eth_signTransaction", "[" + altered(t, map[string]any{"chainId": "0x1"}) + "]"},
		{"eth_signTransaction", "[" + altered(t, legacy(map[string]any{"chainId": "0x1"})) + "]"},
		{"opsigner_signBlockPayloadV2", "[" + payloadV2(zeroDomain, "1", payloadHash.Hex(), "null") + "]"},
		{"opsigner_signBlockPayload", "[" + payloadV1(t, [32]byte{}, common.Big1, payloadHash[:], nil) + "]"},
	} {
		if answer := w.call(call[0], call[1]); answer.code() != -32010 && answer.code() != -32012 || !strings.Contains(answer.message(), "requested chainid 1 ") {
			t.Errorf("%s: %+v", call[0], answer.Error)
		}
	}
	if decider.asked() != 0 {
		t.Errorf("%d were judged", decider.asked())
	}
	var raw hexutil.Bytes
	w.result("eth_signTransaction", "["+opTransaction+"]", &raw)
	if tx := decoded(t, raw); tx.ChainId().Int64() != 1337 {
		t.Errorf("signed for chain %v", tx.ChainId())
	}
}

// TestTrapNothingIsDropped: what is not signed is not ignored either.
func TestTrapNothingIsDropped(t *testing.T) {
	w, _ := newEthCaller(t, nil)
	list := []any{map[string]any{"address": testRecipient, "storageKeys": []string{blobHash}}}
	for _, members := range []map[string]any{{"accessList": list}, legacy(map[string]any{"accessList": list})} {
		var raw hexutil.Bytes
		w.result("eth_signTransaction", "["+altered(t, members)+"]", &raw)
		if tx := decoded(t, raw); len(tx.AccessList()) != 1 || tx.AccessList().StorageKeys() != 1 {
			t.Errorf("access list %v", tx.AccessList())
		}
	}
	for _, name := range []string{"gasLimit", "privateFor", "privacyFlag", "blobs", "sidecar", "maxFeePerBlobGas"} {
		if answer := w.call("eth_signTransaction", "["+altered(t, map[string]any{name: "0x1"})+"]"); answer.Error == nil {
			t.Errorf("%s is dropped", name)
		}
	}
}

// TestTrapZerosAreNotFilledIn: gas, fees and nonce that are left out are not
// signed as zero or as a default.
func TestTrapZerosAreNotFilledIn(t *testing.T) {
	w, decider := newEthCaller(t, nil)
	for _, members := range []map[string]any{{"gas": nil}, {"nonce": nil}, {"maxFeePerGas": nil}, {"maxPriorityFeePerGas": nil}, legacy(map[string]any{"gasPrice": nil})} {
		if answer := w.call("eth_signTransaction", "["+altered(t, members)+"]"); answer.code() != -32010 || !strings.Contains(answer.message(), "missing") {
			t.Errorf("%v: %+v", members, answer.Error)
		}
	}
	if decider.asked() != 0 {
		t.Errorf("%d were judged", decider.asked())
	}
}

// TestTrapAnswerIsOneString: an object, as account_signTransaction answers, stops
// clients of op-service.
func TestTrapAnswerIsOneString(t *testing.T) {
	w, _ := newEthCaller(t, nil)
	answer := w.call("eth_signTransaction", "["+opTransaction+"]")
	if !strings.HasPrefix(string(answer.Result), `"0x02`) {
		t.Errorf("%s", answer.Result)
	}
}

// TestTrapCreationUnderRecipients: under a list of recipients a creation is
// denied as any other recipient is, and nothing crashes.
func TestTrapCreationUnderRecipients(t *testing.T) {
	loaded, err := policy.Load("policy.yaml", []byte(`version: 1
rules:
  - {id: batch, effect: allow, match: {principal: [anonymous], method: [eth_signTransaction], chain: [1337], to: "`+testRecipient+`", value_max: "1 wei"}}
`), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, _ := newEthCaller(t, func(cfg *Config) { cfg.Decider = &rules.Engine{Rules: []rules.Rule{loaded}} })
	if answer := w.call("eth_signTransaction", "["+opTransaction+"]"); answer.Error != nil {
		t.Fatalf("to the recipient: %+v", answer.Error)
	}
	for name, members := range map[string]map[string]any{
		"a creation":        {"to": null, "input": "0x" + strings.Repeat("60", 50)},
		"another recipient": {"to": strings.ToLower(testAddress)},
		"more value":        {"value": "0x2"},
	} {
		answer := w.call("eth_signTransaction", "["+altered(t, members)+"]")
		if answer.code() != -32011 || answer.message() != "request denied" || answer.Error.Data["request"] == nil {
			t.Errorf("%s: %+v", name, answer.Error)
		}
	}
	if answer := w.call("opsigner_signBlockPayloadV2", "["+payloadV2(zeroDomain, "1337", payloadHash.Hex(), "null")+"]"); answer.code() != -32013 {
		t.Errorf("a payload: %+v", answer.Error)
	}
}

// TestTrapBadPoliciesDoNotLoad: a most that can't be read is an error at the start
// and not at the first request.
func TestTrapBadPoliciesDoNotLoad(t *testing.T) {
	for _, most := range []string{"", "0x1g", "1", "-1 ether", "1e18 wei"} {
		text := fmt.Sprintf("version: 1\nrules:\n  - {id: batch, effect: allow, match: {principal: [local], value_max: %q}}\n", most)
		if _, err := policy.Load("policy.yaml", []byte(text), policy.Options{}); err == nil {
			t.Errorf("value_max %q loads", most)
		}
	}
}

// TestTrapFailuresNameTheCause: what a vault says of itself reaches the caller,
// and nothing else of it.
func TestTrapFailuresNameTheCause(t *testing.T) {
	for name, tt := range map[string]struct {
		fail error
		code int
		want string
	}{
		"public":   {&failure{public: "key treasury is disabled", sure: true}, -32010, "key treasury is disabled"},
		"busy":     {&failure{public: "vault kv-prod is busy", after: 1500 * time.Millisecond, sure: true}, -32005, "vault kv-prod is busy: retry after 2 s"},
		"internal": {errors.New("secret of the vault"), -32010, "internal error"},
		"deadline": {fmt.Errorf("asking: %w", context.DeadlineExceeded), -32010, errTimeout.Error()},
	} {
		signer := newKeySigner(t)
		signer.fail = tt.fail
		w, _ := newEthCaller(t, func(cfg *Config) { cfg.Signer = signer })
		if answer := w.call("eth_signTransaction", "["+opTransaction+"]"); answer.code() != tt.code || answer.message() != tt.want {
			t.Errorf("%s: %+v", name, answer.Error)
		}
		payload := w.call("opsigner_signBlockPayloadV2", "["+payloadV2(zeroDomain, "1337", payloadHash.Hex(), "null")+"]")
		if code := tt.code; payload.message() != tt.want || code == -32010 && payload.code() != -32012 || code != -32010 && payload.code() != code {
			t.Errorf("%s: of a payload %+v", name, payload.Error)
		}
	}
}

// TestTrapNothingElseIsReached: there is no node behind, and no method that would
// be passed on to one.
func TestTrapNothingElseIsReached(t *testing.T) {
	w, decider := newEthCaller(t, nil)
	for _, method := range []string{
		"eth_sendTransaction", "eth_sendRawTransaction", "eth_blockNumber", "eth_resend", "eth_fillTransaction", "eth_signTypedData_v1", "personal_unlockAccount", "personal_sendTransaction",
		"personal_importRawKey", "personal_listAccounts", "personal_ecRecover", "admin_peers", "debug_traceTransaction", "engine_newPayloadV3", "miner_start", "opsigner_accounts", "health_version",
		"Eth_sign", "eth_Sign", "ETH_SIGN", "eth_signtransaction", "eth_register",
	} {
		// Every error has status 200: newEthCaller fails otherwise.
		if answer := w.call(method, "["+opTransaction+"]"); answer.code() != -32601 {
			t.Errorf("%s: %+v", method, answer)
		}
	}
	if decider.asked() != 0 {
		t.Errorf("%d were judged", decider.asked())
	}
}
