package extapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/rules"
)

// TestEthReadings are the methods that sign nothing.
func TestEthReadings(t *testing.T) {
	w, decider := newEthCaller(t, nil)
	var text string
	if w.result("health_status", "[]", &text); text != "v1.2.3" {
		t.Errorf("health_status %q", text)
	}
	if w.result("eth_chainId", "[]", &text); text != "0x539" {
		t.Errorf("eth_chainId %q", text)
	}
	if decider.asked() != 0 {
		t.Error("what signs and shows nothing was put to the decider")
	}
	var list []string
	if w.result("eth_accounts", "[]", &list); len(list) != 1 || list[0] != strings.ToLower(testAddress) || decider.last(t).Method != "eth_accounts" || decider.last(t).Kind != rules.KindList {
		t.Errorf("eth_accounts %v, asked %+v", list, decider.last(t))
	}
	decider.rejectListing = true
	if answer := w.call("eth_accounts", "[]"); answer.code() != -32000 || answer.message() != "request denied" {
		t.Errorf("refused: %+v", answer.Error)
	}
	several, _ := newEthCaller(t, forChains(10, 1337))
	if answer := several.call("eth_chainId", "[]"); answer.code() != -32601 || !strings.Contains(answer.message(), "10, 1337") {
		t.Errorf("eth_chainId of several chains: %+v", answer.Error)
	}
}

// TestEthMessages: eth_sign and personal_sign make the signature of EIP-191.
func TestEthMessages(t *testing.T) {
	w, decider := newEthCaller(t, nil)
	digest := common.BytesToHash(accounts.TextHash([]byte("hello")))
	const data = "0x68656c6c6f"
	for name, tt := range map[string]struct{ method, params string }{
		"eth_sign":                         {"eth_sign", fmt.Sprintf(`[%q,%q]`, testAddress, data)},
		"eth_sign in lower case":           {"eth_sign", strings.ToLower(fmt.Sprintf(`[%q,%q]`, testAddress, data))},
		"personal_sign":                    {"personal_sign", fmt.Sprintf(`[%q,%q]`, data, testAddress)},
		"personal_sign, an empty password": {"personal_sign", fmt.Sprintf(`[%q,%q,""]`, data, testAddress)},
		"personal_sign, no password":       {"personal_sign", fmt.Sprintf(`[%q,%q,null]`, data, testAddress)},
	} {
		var signature hexutil.Bytes
		w.result(tt.method, tt.params, &signature)
		if signer := signerOf(t, digest, signature, 27); signer != common.HexToAddress(testAddress) {
			t.Errorf("%s: signed by %v", name, signer)
		}
		if req := decider.last(t); req.Method != tt.method || req.Kind != rules.KindText || req.ContentType != accounts.MimetypeTextPlain {
			t.Errorf("%s: asked %+v", name, req)
		}
	}
	asked := decider.asked()
	for name, tt := range map[string]struct {
		method, params string
		code           int
	}{
		"a password":        {"personal_sign", fmt.Sprintf(`[%q,%q,"secret"]`, data, testAddress), -32000},
		"the other way":     {"eth_sign", fmt.Sprintf(`[%q,%q]`, data, testAddress), -32602},
		"text":              {"eth_sign", fmt.Sprintf(`[%q,"hello"]`, testAddress), -32602},
		"no data":           {"eth_sign", fmt.Sprintf(`[%q]`, testAddress), -32602},
		"half a byte":       {"personal_sign", fmt.Sprintf(`["0x1",%q]`, testAddress), -32602},
		"too much":          {"eth_sign", fmt.Sprintf(`[%q,"0x%s"]`, testAddress, strings.Repeat("00", maxDataBytes+1)), -32000},
		"another parameter": {"eth_sign", fmt.Sprintf(`[%q,%q,1]`, testAddress, data), -32602},
	} {
		if answer := w.call(tt.method, tt.params); answer.code() != tt.code || strings.Contains(answer.message(), "secret") || answer.message() == "internal error" {
			t.Errorf("%s: %+v", name, answer.Error)
		}
	}
	if decider.asked() != asked {
		t.Error("what can't be decoded was put to the decider")
	}
	if answer := w.call("eth_sign", fmt.Sprintf(`[%q,%q]`, testAddress, hexutil.Encode([]byte("reject me")))); answer.code() != -32000 || answer.message() != "request denied" {
		t.Errorf("refused: %+v", answer.Error)
	}
	if answer := w.call("eth_sign", fmt.Sprintf(`[%q,%q]`, testRecipient, data)); answer.code() != -32000 || answer.message() != "unknown account" {
		t.Errorf("of another account: %+v", answer.Error)
	}
}

// mail is an EIP-712 document without arrays, and mails one with an array.
const (
	mail = `{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"chainId","type":"uint256"}],"Mail":[{"name":"to","type":"address"},{"name":"text","type":"string"}]},
		"primaryType":"Mail","domain":{"name":"mail","chainId":1337},"message":{"to":"` + testRecipient + `","text":"caf\u00e9"}}`
	mails = `{"types":{"EIP712Domain":[{"name":"name","type":"string"}],"Mail":[{"name":"texts","type":"string[]"}]},
		"primaryType":"Mail","domain":{"name":"mail"},"message":{"texts":["a"]}}`
)

// TestEthTypedData: all methods sign the digest of EIP-712, of an object and of
// the text of one, as account_signTypedData does.
func TestEthTypedData(t *testing.T) {
	w, decider := newEthCaller(t, nil)
	var want hexutil.Bytes
	w.result("account_signTypedData", fmt.Sprintf(`[%q,%s]`, testAddress, mail), &want)
	held, err := json.Marshal(mail)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"eth_signTypedData", "eth_signTypedData_v3", "eth_signTypedData_v4"} {
		for _, document := range []string{mail, string(held)} {
			var got hexutil.Bytes
			w.result(method, fmt.Sprintf(`[%q,%s]`, testAddress, document), &got)
			if got.String() != want.String() || decider.last(t).Method != method {
				t.Errorf("%s: %v, want %v; asked by %s", method, got, want, decider.last(t).Method)
			}
		}
	}
	var arrays hexutil.Bytes
	w.result("eth_signTypedData_v4", fmt.Sprintf(`[%q,%s]`, testAddress, mails), &arrays)
	if answer := w.call("eth_signTypedData_v4", fmt.Sprintf(`[%q,null]`, testAddress)); answer.code() != -32602 {
		t.Errorf("nothing: %+v", answer.Error)
	}
	for name, tt := range map[string]struct{ method, document, want string }{
		"arrays by v3":   {"eth_signTypedData_v3", mails, "knows no arrays"},
		"two by v3":      {"eth_signTypedData_v3", strings.Replace(mails, "string[]", "string[2]", 1), "knows no arrays"},
		"version 1":      {"eth_signTypedData", `[{"type":"string","name":"a","value":"b"}]`, "cannot unmarshal array"},
		"another chain":  {"eth_signTypedData_v4", strings.Replace(mail, `"chainId":1337`, `"chainId":1`, 1), "does not match"},
		"text":           {"eth_signTypedData_v4", `"hello"`, "invalid character"},
		"text in text":   {"eth_signTypedData_v4", `"\"{}\""`, "cannot unmarshal string"},
		"another member": {"eth_signTypedData_v4", strings.Replace(mail, `"domain"`, `"x":1,"domain"`, 1), "unknown"},
	} {
		if answer := w.call(tt.method, fmt.Sprintf(`[%q,%s]`, testAddress, tt.document)); answer.code() != -32000 || !strings.Contains(answer.message(), tt.want) || answer.message() == "internal error" {
			t.Errorf("%s: %+v", name, answer.Error)
		}
	}
}

// TestEthErrorsAreTold: the namespaces that have codes of their own have them for
// what a policy denies and for a signer without rules; the others have Clef's.
func TestEthErrorsAreTold(t *testing.T) {
	payload := `[{"domain":"0x` + strings.Repeat("00", 32) + `","chainId":"1337","payloadHash":"0x` + strings.Repeat("11", 32) + `","senderAddress":null}]`
	for name, tt := range map[string]struct {
		decision rules.Decision
		message  string
		rule     any // that the caller is told
	}{
		"a policy":  {rules.Decision{Verdict: rules.Reject, Rule: "batch", Policy: common.Hash{1}, Reason: "secret"}, "request denied", "batch"},
		"no rules":  {rules.Decision{Verdict: rules.Reject, Rule: rules.RuleNoRules, Reason: "none"}, "request denied: none", nil},
		"rule file": {rules.Decision{Verdict: rules.Reject, Rule: "rules.js", Reason: "secret"}, "request denied", nil},
	} {
		decider := &denying{decision: tt.decision}
		w, _ := newEthCaller(t, func(cfg *Config) { cfg.Decider = decider })
		for _, call := range []struct {
			method, params string
			code           int
		}{
			{"eth_signTransaction", "[" + opTransaction + "]", -32011},
			{"opsigner_signBlockPayloadV2", payload, -32013},
			{"account_list", "[]", -32000},
			{"eth_accounts", "[]", -32000},
			{"eth_sign", fmt.Sprintf(`[%q,"0x00"]`, testAddress), -32000},
			{"personal_sign", fmt.Sprintf(`["0x00",%q]`, testAddress), -32000},
			{"eth_signTypedData", fmt.Sprintf(`[%q,%s]`, testAddress, mail), -32000},
			{"account_signTypedData", fmt.Sprintf(`[%q,%s]`, testAddress, mail), -32000},
		} {
			answer := w.call(call.method, call.params)
			if answer.code() != call.code || answer.message() != tt.message {
				t.Errorf("%s: %s: %+v", name, call.method, answer.Error)
				continue
			}
			if answer.Error.Data["rule"] != tt.rule || answer.Error.Data["request"] != decider.request {
				t.Errorf("%s: %s: data %v, want request %s", name, call.method, answer.Error.Data, decider.request)
			}
		}
	}
}
