package e2e_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi/bind"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"

	"github.com/kvclef/kvclef/extapi/tlstest"
)

// TestProxyTLS sends payments through a proxy that asks for certificates: the policy
// lets one caller pay, whichever way it comes, and no other.
func TestProxyTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real geth")
	}
	s := &secured{hosted: build(t).hostedStage(t), servers: newAuthority(t), callers: newAuthority(t)}
	server, err := s.servers.Server()
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "server.crt", server.Cert)
	s.write(t, "server.key", server.Key)
	s.write(t, "callers.crt", s.callers.PEM)
	s.write(t, "policy.yaml", []byte(`version: 1
rules:
  - {id: show, effect: allow, match: {kind: list, principal: payments.example}}
  - {id: pay, effect: allow, match: {kind: transaction, principal: payments.example, to: "`+recipient+`", value_max: 1 ether, gas_max: 100000}}
`))
	encrypted := []string{"--proxy.tls.cert", s.file("server.crt"), "--proxy.tls.key", s.file("server.key"), "--proxy.tls.clientca", s.file("callers.crt")}
	t.Run("front", func(t *testing.T) {
		url := s.start(t, "files", append(encrypted, "--cloudhsm", s.file("configuration.json"), "--cloudhsm-service", s.file("service.json"))...)
		s.judged(t, url)
	})
	t.Run("hosted", func(t *testing.T) {
		url := s.start(t, "routes", append(encrypted, "--chainid", "1337", "--proxy.hosting-key", s.file("hosting.key"))...)
		configuration, _ := s.ask(t, http.MethodPost, "configurations", s.read(t, "configuration.json"), http.StatusCreated)["id"].(string)
		service, _ := s.ask(t, http.MethodPost, "services", strings.ReplaceAll(s.read(t, "service.json"), "CONFIGURATION", configuration), http.StatusCreated)["id"].(string)
		s.judged(t, url+"/services/"+service)
	})
}

// secured is a stage whose proxy is encrypted.
type secured struct {
	*hosted

	servers, callers *tlstest.CA
}

func newAuthority(t *testing.T) *tlstest.CA {
	t.Helper()
	ca, err := tlstest.NewCA("test CA")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func (s *secured) write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(s.file(name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// judged pays as several callers, and looks at what the audit log says of them.
func (s *secured) judged(t *testing.T, url string) {
	t.Helper()
	for scheme, transport := range map[string]string{"https": "http", "wss": "ws"} {
		endpoint := scheme + strings.TrimPrefix(url, "https")
		hash, err := s.pay(t, endpoint, s.callers, "payments.example")
		if err != nil {
			t.Fatalf("over %s: %v\n%s", scheme, err, s.said)
		}
		if _, err := bind.WaitMinedHash(t.Context(), s.node.Client(), hash); err != nil {
			t.Fatal(err)
		}
		if _, err := s.pay(t, endpoint, s.callers, "treasury.example"); err == nil || err.Error() != "request denied" {
			t.Errorf("a stranger over %s: %v", scheme, err)
		}
		log := s.records(t)
		for principal, verdict := range map[string]string{"payments.example": `"verdict":"approve","rule":"pay"`, "treasury.example": `"verdict":"reject"`} {
			if !hasLine(log, `"principal":"`+principal+`","transport":"`+transport+`"`, `"method":"eth_sendTransaction"`, verdict) {
				t.Errorf("the audit log has no %s of %s over %s:\n%s", verdict, principal, transport, log)
			}
		}
		if _, err := s.pay(t, endpoint, newAuthority(t), "payments.example"); err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
			t.Errorf("somebody else's certificate over %s: %v", scheme, err)
		}
	}
	transport := &http.Transport{TLSClientConfig: s.tls(t, s.callers, "payments.example")}
	defer transport.CloseIdleConnections()
	status := s.answer(t, &http.Client{Transport: transport}, http.MethodGet, url+"/status", "", http.StatusOK)
	urls, _ := status["urls"].(map[string]any)
	if accounts, _ := status["accounts"].([]any); len(accounts) != 1 || urls["rpc"] != url || urls["ws"] != "wss"+strings.TrimPrefix(url, "https") {
		t.Errorf("the status is %v", status)
	}
}

// records returns the audit log.
func (s *secured) records(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func hasLine(text string, parts ...string) bool {
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

// pay sends a payment as the one whom an authority names.
func (s *secured) pay(t *testing.T, endpoint string, ca *tlstest.CA, name string) (hash common.Hash, err error) {
	t.Helper()
	cfg := s.tls(t, ca, name)
	transport := &http.Transport{TLSClientConfig: cfg}
	defer transport.CloseIdleConnections()
	client, err := rpc.DialOptions(t.Context(), endpoint,
		rpc.WithHTTPClient(&http.Client{Transport: transport}), rpc.WithWebsocketDialer(websocket.Dialer{TLSClientConfig: cfg}))
	if err != nil {
		return hash, err
	}
	defer client.Close()
	err = client.CallContext(t.Context(), &hash, "eth_sendTransaction", map[string]any{"from": s.account, "to": recipient, "value": "0x1"})
	return hash, err
}

func (s *secured) tls(t *testing.T, ca *tlstest.CA, name string) *tls.Config {
	t.Helper()
	pair, err := ca.Client(name)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := pair.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: s.servers.Pool(), MinVersion: tls.VersionTLS13, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &shown, nil
	}}
}
