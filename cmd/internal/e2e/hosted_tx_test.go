package e2e_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// TestHostedTransactions looks at the transactions of a hosted service, replaces one,
// and finds them again where the service was deleted and made anew.
func TestHostedTransactions(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	h := build(t).hostedStage(t)
	url := h.start(t, "transactions", "--chainid", "1337", "--proxy.hosting-key", h.file("hosting.key"))
	configuration, _ := h.ask(t, http.MethodPost, "configurations", h.read(t, "configuration.json"), http.StatusCreated)["id"].(string)
	document := strings.ReplaceAll(h.read(t, "service.json"), "CONFIGURATION", configuration)
	first, _ := h.ask(t, http.MethodPost, "services", document, http.StatusCreated)["id"].(string)

	// It waits for five others, so that it is under way until the end.
	waiting := map[string]any{"from": h.account, "to": recipient, "value": "0x1", "nonce": "0x5"}
	hash := h.sendKeyed(t, url+"/services/"+first, "invoice-7", waiting)
	h.says(t, true, "none\nhosted services have 1 more", "tx", "list")
	h.says(t, true, "service "+first+", payouts\n", "tx", "list", "--all-services")
	h.says(t, true, hash.Hex(), "tx", "list", "--service", first)
	h.says(t, false, "is not known here", "tx", "show", hash.Hex())
	h.says(t, true, "0x02", "tx", "show", hash.Hex(), "--raw", "--service", first)
	h.says(t, false, `no service has the id "abcdefghij"`, "tx", "list", "--service", "abcdefghij")
	h.says(t, false, "--service is empty", "tx", "list", "--service", "")
	bumped := common.HexToHash(h.says(t, true, "0x", "tx", "bump", hash.Hex(), "--service", first))
	h.says(t, false, "request denied", "tx", "cancel", bumped.Hex(), "--service", first) // the policy wants another recipient
	h.says(t, true, "replaces     "+hash.Hex(), "tx", "show", bumped.Hex(), "--service", first)
	if log := h.read(t, "transactions/audit.log"); strings.Count(log, `"local"`) < 2 {
		t.Errorf("the audit log does not have who replaced:\n%s", log)
	}

	// The same key is in another vault.
	other := strings.NewReplacer("kv-prod", "kv-copy", `"production"`, `"copy"`).Replace(h.read(t, "configuration.json"))
	copied, _ := h.ask(t, http.MethodPost, "configurations", other, http.StatusCreated)["id"].(string)
	said := h.ask(t, http.MethodPost, "services", strings.ReplaceAll(h.read(t, "service.json"), "CONFIGURATION", copied), http.StatusUnprocessableEntity)
	if text, _ := said["error"].(string); !strings.Contains(text, "the account "+h.account.Hex()) || !strings.Contains(text, "sends on chain 1337 for the service "+first) {
		t.Errorf("a second service with the account is refused with %q", text)
	}

	h.ask(t, http.MethodDelete, "services/"+first, "", http.StatusConflict)
	h.ask(t, http.MethodDelete, "services/"+first+"?force=true", "", http.StatusNoContent)
	h.says(t, true, "nothing of it is sent again for now: the service was deleted", "tx", "list", "--service", first)
	h.says(t, false, `no service has the id`, "tx", "bump", bumped.Hex(), "--service", first)
	second, _ := h.ask(t, http.MethodPost, "services", document, http.StatusCreated)["id"].(string)
	h.says(t, false, `no service has the id`, "tx", "list", "--service", first) // nothing is left there
	if again := h.sendKeyed(t, url+"/services/"+second, "invoice-7", waiting); again != hash {
		t.Errorf("paid twice: %s and %s", hash, again)
	}
	h.says(t, true, bumped.Hex(), "tx", "list", "--service", second)
	h.says(t, true, "replaces", "tx", "show", bumped.Hex(), "--service", second)

	// Without a signer the state tells the same.
	h.end()
	h.says(t, true, "hosted services have 2 more", "tx", "list")
	h.says(t, true, bumped.Hex(), "tx", "list", "--service", second)
	h.says(t, true, "not running", "tx", "show", bumped.Hex(), "--service", second)
	h.says(t, false, "holds no transactions of a service", "tx", "list", "--service", first)
	var listed []struct {
		Service      string            `json:"service"`
		Transactions []json.RawMessage `json:"transactions"`
	}
	if err := json.Unmarshal([]byte(h.says(t, true, "[", "tx", "list", "--all-services", "--json")), &listed); err != nil ||
		len(listed) != 2 || listed[1].Service != second || len(listed[1].Transactions) != 2 {
		t.Errorf("%v: %+v", err, listed)
	}
}

// sendKeyed sends with an idempotency key.
func (h *hosted) sendKeyed(t *testing.T, url, key string, tx map[string]any) (hash common.Hash) {
	t.Helper()
	client, err := rpc.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetHeader("Idempotency-Key", key)
	if err := client.CallContext(t.Context(), &hash, "eth_sendTransaction", tx); err != nil {
		t.Fatalf("%v\n%s", err, h.said)
	}
	return hash
}

// says runs a command on the state of the program that was started last, and wants it
// to say something.
func (h *hosted) says(t *testing.T, succeeds bool, want string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), h.kvclef, append(args, "--datadir", h.data)...)
	command.Env = h.env
	text, err := command.CombinedOutput()
	if (err == nil) != succeeds || !strings.Contains(string(text), want) {
		t.Fatalf("kvclef %v: %v, %s; want %q", args, err, text, want)
	}
	return strings.TrimSpace(string(text))
}
