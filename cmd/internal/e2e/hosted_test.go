package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi/bind"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// TestHosted runs the two documents of a hosted CloudHSM service as they are: from
// files, and over the routes on the admin socket. The binary believes that it talks
// to Azure, where the environment alone leads it astray.
func TestHosted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	h := build(t).hostedStage(t)
	t.Run("files", func(t *testing.T) {
		url := h.start(t, "files", "--cloudhsm", h.file("configuration.json"), "--cloudhsm-service", h.file("service.json"))
		h.pays(t, url, "payouts")
	})
	t.Run("routes", func(t *testing.T) {
		url := h.start(t, "routes", "--chainid", "1337", "--proxy.hosting-key", h.file("hosting.key"))
		configuration := h.ask(t, http.MethodPost, "configurations", h.read(t, "configuration.json"), http.StatusCreated)
		service := h.ask(t, http.MethodPost, "services", strings.ReplaceAll(h.read(t, "service.json"), "CONFIGURATION", configuration["id"].(string)), http.StatusCreated)
		id, _ := service["id"].(string)
		if state := h.ask(t, http.MethodGet, "services/"+id+"/status", "", http.StatusOK)["state"]; state != "started" {
			t.Errorf("the service is %v", state)
		}
		h.ask(t, http.MethodDelete, "configurations/"+configuration["id"].(string), "", http.StatusConflict)
		h.pays(t, url+"/services/"+id, "payouts")
		h.ask(t, http.MethodDelete, "services/"+id+"?force=true", "", http.StatusNoContent)
		h.ask(t, http.MethodDelete, "configurations/"+configuration["id"].(string), "", http.StatusNoContent)
	})
	if !strings.Contains(h.said.String(), "No vaults are configured: only hosted services sign") {
		t.Error("that there are no vaults is not said")
	}
	if said := h.said.String(); strings.Contains(said, h.secret) || !strings.Contains(said, "Proxy ") {
		t.Error("the client secret is in an answer or a log, or nothing was said")
	}
}

// hosted is a vault at a name of Azure's, and a node whose one account is in it.
type hosted struct {
	programs
	dir, secret string
	env         []string
	account     common.Address
	node        *devnet.Node
	said        *spoken // by every program, and in every answer
	data        string  // of the one that runs
	end         func()  // ends it
}

// spoken is what programs write at the same time.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// String returns all of it.
func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (p programs) hostedStage(t *testing.T) *hosted {
	t.Helper()
	vault, err := emulator.Start(t.Context(), emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod"}, {Name: "kv-copy"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kv-prod", "kv-copy"} { // as after a restore
		if _, err := vault.ImportKey(name, "payer", key); err != nil {
			t.Fatal(err)
		}
	}
	h := &hosted{programs: p, dir: t.TempDir(), secret: vault.ClientSecret(), account: crypto.PubkeyToAddress(key.PublicKey), said: new(spoken)}
	h.node, err = devnet.Start(t.Context(), devnet.Config{Geth: p.geth, Dir: t.TempDir(), Fork: devnet.Osaka, Funded: []common.Address{h.account}, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, h.node.Stop) })
	mine(t, &chain{node: h.node})
	for name, text := range map[string]string{
		"ca.pem":      string(vault.CAPEM()),
		"hosting.key": strings.Repeat("5c", 32),
		"configuration.json": fmt.Sprintf(`{"type":"cloudhsm","name":"production","membership_id":"m","details":{"provider":"azure",
			"target_address":"https://vault.azure.net","user_id":%q,"user_secret":%q,"subscription_id":"s","tenant_id":%q,"vault_name":"kv-prod"}}`,
			vault.ClientID(), vault.ClientSecret(), vault.TenantID()),
		"service.json": `{"name":"payouts","membership_id":"m","service":"cloudhsm","details":{"cloudhsm_id":"CONFIGURATION"}}`,
		"policy.yaml": `version: 1
rules:
  - {id: show, effect: allow, match: {kind: list, principal: anonymous}}
  - id: pay
    effect: allow
    match: {kind: transaction, vault: production, to: "` + recipient + `", value_max: 1 ether, gas_max: 100000}
    limits: [{measure: value, max: 5 ether, window: 1h}]
`,
	} {
		if err := os.WriteFile(h.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.env = []string{"HOME=" + h.dir, "HTTPS_PROXY=" + vault.ProxyURL(), "SSL_CERT_FILE=" + h.file("ca.pem")}
	return h
}

func (h *hosted) file(name string) string { return filepath.Join(h.dir, name) }

func (h *hosted) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(h.file(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start runs a proxy with a state of its own until the test ends.
func (h *hosted) start(t *testing.T, name string, args ...string) (url string) {
	t.Helper()
	h.data = h.file(name)
	for _, prepare := range [][]string{{"init", "--datadir", h.data}, {"rules", "attest", "--datadir", h.data, h.file("policy.yaml")}} {
		command := exec.CommandContext(t.Context(), h.kvclef, prepare...)
		command.Env = h.env
		if text, err := command.CombinedOutput(); err != nil {
			t.Fatalf("kvclef %v: %v\n%s", prepare, err, text)
		}
	}
	args = append([]string{"proxy", "--datadir", h.data, "--policy", h.file("policy.yaml"), "--node", h.node.URL(), "--proxy.addr", "127.0.0.1", "--proxy.port", "0"}, args...)
	proxy, err := devnet.StartProxy(t.Context(), h.kvclef, h.env, h.said, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, h.said)
	}
	h.end = sync.OnceFunc(func() { stop(t, proxy.Stop) })
	t.Cleanup(h.end)
	return proxy.URL()
}

// pays sends a payment to a service, and sees it mined and the service's status.
func (h *hosted) pays(t *testing.T, url, name string) {
	t.Helper()
	client, err := rpc.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var hash common.Hash
	if err := client.CallContext(t.Context(), &hash, "eth_sendTransaction", map[string]any{"from": h.account, "to": recipient, "value": "0x1"}); err != nil {
		t.Fatalf("%v\n%s", err, h.said)
	}
	if _, err := bind.WaitMinedHash(t.Context(), h.node.Client(), hash); err != nil {
		t.Fatal(err)
	}
	(&chain{node: h.node}).sentBy(t, hash, h.account)
	if err := client.CallContext(t.Context(), &hash, "eth_sendTransaction", map[string]any{"from": h.account, "to": h.account, "value": "0x1"}); err == nil || err.Error() != "request denied" {
		t.Errorf("to another recipient: %v", err)
	}
	status := h.answer(t, http.DefaultClient, http.MethodGet, url+"/status", "", http.StatusOK)
	if accounts := fmt.Sprint(status["accounts"]); status["name"] != name || accounts != "["+strings.ToLower(h.account.Hex())+"]" {
		t.Errorf("the status is %v", status)
	}
}

// ask uses a route on the admin socket.
func (h *hosted) ask(t *testing.T, method, route, body string, status int) map[string]any {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.data, "admin.sock"))
	}}}
	return h.answer(t, client, method, "http://admin/api/v1/consortia/c1/environments/e1/"+route, body, status)
}

func (h *hosted) answer(t *testing.T, client *http.Client, method, url, body string, status int) (members map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("%s %s: %s, %v: %s", method, url, response.Status, err, text)
	}
	_, _ = h.said.Write(text)
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return members
}
