package soak_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/measure"
	"github.com/kvclef/kvclef/cmd/internal/proxied"
	"github.com/kvclef/kvclef/extapi/tlstest"
)

// What kvclef prints.
var (
	printedHTTP    = regexp.MustCompile(`(?m)^HTTP +https://(127\.0\.0\.1:\d+)$`)
	printedProxy   = regexp.MustCompile(`(?m)^Proxy +http://(127\.0\.0\.1:\d+)$`)
	printedMetrics = regexp.MustCompile(`(?m)^Metrics +(http://127\.0\.0\.1:\d+/metrics)$`)
)

// stage is a kvclef that runs, and its vault.
type stage struct {
	vault     *emulator.Server
	account   common.Address
	authority *tlstest.CA
	trusted   *tls.Config
	process   *measure.Process
	dir       string
	rules     string    // path of the policy or the rule file
	policies  [2]string // the texts that it changes between; none with a rule file
	ipc       string
	https     string // host:port
	node      string // URL of the node behind the proxy
	proxy     string // host:port
	metrics   string // URL
}

// start starts kvclef with a policy or a rule file of testdata.
func start(t *testing.T, program, node, name string) *stage {
	t.Helper()
	s := &stage{dir: t.TempDir(), node: node}
	s.ipc, s.rules = filepath.Join(s.dir, "kvclef.ipc"), filepath.Join(s.dir, name)
	var err error
	s.vault, err = emulator.Start(t.Context(), emulator.Options{})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.vault.Close()) })
	accounts, err := proxied.Accounts(s.vault, 1)
	ok(t, err)
	s.account = accounts[0]
	s.authority, err = tlstest.NewCA("soak")
	ok(t, err)
	s.trusted = &tls.Config{RootCAs: s.authority.Pool(), MinVersion: tls.VersionTLS13}
	s.certify(t)
	s.write(t, "ca.pem", string(s.vault.CAPEM()))
	s.write(t, "kvclef.yaml", s.settings())
	text, err := os.ReadFile(filepath.Join("testdata", name))
	ok(t, err)
	s.run(t, program, "init")
	texts := []string{string(text)}
	if filepath.Ext(name) == ".yaml" {
		s.policies = [2]string{string(text), string(text) + "# the same, read again\n"}
		texts = []string{s.policies[1], s.policies[0]}
	}
	for _, text := range texts {
		s.write(t, name, text)
		s.run(t, program, "rules", "attest", s.rules)
	}
	command := s.command(context.WithoutCancel(t.Context()), program, "serve")
	s.process, err = measure.Start(t.Context(), filepath.Join(s.dir, "output"), command)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.process.Stop()) })
	ok(t, s.process.Await(t.Context(), func(context.Context) (err error) {
		if s.https, err = s.process.Printed(printedHTTP); err != nil {
			return err
		}
		if s.proxy, err = s.process.Printed(printedProxy); err != nil {
			return err
		}
		s.metrics, err = s.process.Printed(printedMetrics)
		return err
	}))
	return s
}

// settings is the configuration file.
func (s *stage) settings() string {
	kind := "policy"
	if filepath.Ext(s.rules) == ".js" {
		kind = "file"
	}
	return fmt.Sprintf(`chainids: [%d]
datadir: %s
rules: {%s: %s}
listeners:
  ipc: {path: %s}
  http:
    enabled: true
    addr: 127.0.0.1
    port: 0
    tls: {cert_file: %s, key_file: %s}
metrics: {enabled: true, port: 0}
limits: {repeat: 1s}
log: {level: error}
vaults:
  - name: dev
    url: https://%s
    custom_endpoint: true
    authority: https://%[8]s/
    ca_file: %s
    requests_per_second: -1
    credential: {kind: client-secret, tenant_id: %s, client_id: %s, secret_env: VAULT_SECRET}
proxy: {node: %s, node_ws: %s, addr: 127.0.0.1, port: 0}
`, chain, s.dataDir(), kind, s.rules, s.ipc, filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem"),
		s.vault.Addr(), filepath.Join(s.dir, "ca.pem"), s.vault.TenantID(), s.vault.ClientID(), s.node, "ws"+strings.TrimPrefix(s.node, "http"))
}

func (s *stage) dataDir() string { return filepath.Join(s.dir, "data") }

func (s *stage) write(t *testing.T, name, text string) {
	t.Helper()
	ok(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

func (s *stage) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, append(args, "--config", filepath.Join(s.dir, "kvclef.yaml"))...)
	command.Env = []string{"HOME=" + s.dir, "VAULT_SECRET=" + s.vault.ClientSecret()}
	return command
}

// run runs a command of kvclef to its end.
func (s *stage) run(t *testing.T, program string, args ...string) {
	t.Helper()
	if text, err := s.command(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("kvclef %s: %v: %s", strings.Join(args, " "), err, text)
	}
}

// certify gives the listener a new certificate. It reads the files again when their
// two seconds are over.
func (s *stage) certify(t *testing.T) {
	t.Helper()
	pair, err := s.authority.Server()
	ok(t, err)
	s.write(t, "key.pem", string(pair.Key))
	s.write(t, "cert.pem", string(pair.Cert))
}

// reload has kvclef read its policy, another text each time.
func (s *stage) reload(t *testing.T, round int) {
	t.Helper()
	if text := s.policies[round%2]; text != "" {
		s.write(t, filepath.Base(s.rules), text)
		ok(t, syscall.Kill(s.process.PID(), syscall.SIGHUP))
	}
}

// dial connects to kvclef by one of its listeners, and returns how to hang up.
func (s *stage) dial(ctx context.Context, transport string) (client *rpc.Client, hangUp func(), err error) {
	switch transport {
	case "ipc":
		client, err = rpc.DialContext(ctx, s.ipc)
	case "ws":
		client, err = rpc.DialContext(ctx, "ws://"+s.proxy)
	default:
		transport := &http.Transport{TLSClientConfig: s.trusted.Clone()}
		client, err = rpc.DialOptions(ctx, "https://"+s.https, rpc.WithHTTPClient(&http.Client{Transport: transport}))
		if err == nil {
			return client, func() { client.Close(); transport.CloseIdleConnections() }, nil
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("connecting by %s: %w", transport, err)
	}
	return client, client.Close, nil
}

// raw opens a connection that speaks for itself.
func (s *stage) raw(ctx context.Context, transport string) (net.Conn, error) {
	if transport == "ipc" {
		return new(net.Dialer).DialContext(ctx, "unix", s.ipc)
	}
	return (&tls.Dialer{Config: s.trusted}).DialContext(ctx, "tcp", s.https)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
