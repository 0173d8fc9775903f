//go:build linux

package replicas_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/devnet"
	"github.com/kvclef/kvclef/extapi/tlstest"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// caller is who the certificate of callers over HTTPS is of.
const caller = "batcher.example"

// policyFor lets one caller pay up to the limit.
func policyFor(principal string) string {
	return fmt.Sprintf(`version: 1
chains: {dev: %d}
rules:
  - id: pay
    effect: allow
    match: {kind: [transaction], chain: [dev], principal: [%s]}
    limits:
      - {id: day, measure: value, max: "%d wei", window: 24h, per: [account]}
`, devnet.ChainID, principal, limit)
}

// house is the database and the vault that replicas share, and the authority of their
// certificates.
type house struct {
	dir, program string
	vault        *emulator.Server
	account      common.Address
	database     *pgtest.Server
	dsn          string
	more         string // of each replica's configuration
	rules        string // the file that decides, "" is policy.yaml
	serve        string // the command that they run
	hosts        bool   // they have no vaults of their own

	authority *x509.CertPool
	identity  tls.Certificate // of callers
}

// newHouse makes one with a database of its own.
func newHouse(t *testing.T, policy string) *house {
	t.Helper()
	_ = program(t) // or there is nothing to do
	database := pgtest.Start(t)
	return newHouseWith(t, policy, database, database.TCP(database.Database(t)))
}

// newHouseWith makes one with a database that is there.
func newHouseWith(t *testing.T, policy string, database *pgtest.Server, dsn string) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), program: program(t), database: database, dsn: dsn, serve: "serve"}
	var err error
	h.vault, err = emulator.Start(t.Context(), emulator.Options{})
	must(t, err)
	t.Cleanup(func() { _ = h.vault.Close() })
	key, err := h.vault.CreateKey("dev", "treasury")
	must(t, err)
	h.account = crypto.PubkeyToAddress(*key.Public)
	h.write(t, "vault.pem", string(h.vault.CAPEM()))
	h.write(t, "policy.yaml", policy)
	h.certify(t)
	return h
}

// certify makes the certificates of the replicas and of their callers.
func (h *house) certify(t *testing.T) {
	t.Helper()
	authority, err := tlstest.NewCA("the house")
	must(t, err)
	h.authority = authority.Pool()
	server, err := authority.Server()
	must(t, err)
	client, err := authority.Client(caller)
	must(t, err)
	h.identity, err = client.Load()
	must(t, err)
	h.write(t, "authority.pem", string(authority.PEM))
	h.write(t, "signer.crt", string(server.Cert))
	h.write(t, "signer.key", string(server.Key))
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

func (h *house) write(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.WriteFile(h.path(name), []byte(text), 0o600))
}

// configure writes the configuration of a replica that reaches the database by a DSN,
// and makes its data directory.
func (h *house) configure(t *testing.T, name, dsn string) {
	t.Helper()
	h.write(t, name+".dsn", dsn)
	certificates := fmt.Sprintf("{cert_file: %s, key_file: %s, client_ca_file: %s}", h.path("signer.crt"), h.path("signer.key"), h.path("authority.pem"))
	h.write(t, name+".yaml", fmt.Sprintf(`
chainids: [%d]
datadir: %s
replica: %s
store: {postgres: {dsn_file: %s, timeout: 3s}}
listeners:
  ipc: {path: %s}
  http: {enabled: true, addr: 127.0.0.1, port: 0, tls: %s}
metrics: {enabled: true, port: 0}
rules: {%s}
limits: {repeat: 0s, request_timeout: 6s, sign_timeout: 4s}
log: {level: warn}
%s%s`, devnet.ChainID, h.path(name), name, h.path(name+".dsn"), h.path(name+".ipc"), certificates, h.decides(),
		h.vaults(), strings.NewReplacer("CERTIFICATES", certificates, "REPLICA", h.path(name)).Replace(h.more)))
	h.run(t, name, "init")
}

// decides is what decides, as the configuration names it.
func (h *house) decides() string {
	if h.rules != "" {
		return "file: " + h.path(h.rules)
	}
	return "policy: " + h.path("policy.yaml")
}

// vaults are those of a replica's configuration.
func (h *house) vaults() string {
	if h.hosts {
		return ""
	}
	return fmt.Sprintf(`vaults:
  - name: vault
    url: https://%s
    custom_endpoint: true
    authority: https://%[1]s/
    ca_file: %[2]s
    requests_per_second: -1
    credential: {kind: client-secret, tenant_id: %[3]s, client_id: %[4]s, secret_env: VAULT_SECRET}
`, h.vault.Addr(), h.path("vault.pem"), h.vault.TenantID(), h.vault.ClientID())
}

// command is a command with the configuration of a replica.
func (h *house) command(ctx context.Context, replica string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, h.program, append(args, "--config", h.path(replica+".yaml"))...) // #nosec G204 -- the program under test
	command.Env = []string{"HOME=" + h.dir, "VAULT_SECRET=" + h.vault.ClientSecret(), "PATH=" + os.Getenv("PATH")}
	if h.hosts { // their vaults are at names of Azure's
		command.Env = append(command.Env, "HTTPS_PROXY="+h.vault.ProxyURL(), "SSL_CERT_FILE="+h.path("vault.pem"))
	}
	return command
}

// run runs a command to its end.
func (h *house) run(t *testing.T, replica string, args ...string) string {
	t.Helper()
	text, err := h.command(t.Context(), replica, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, text)
	}
	return string(text)
}

// attest lets what decides be used.
func (h *house) attest(t *testing.T) {
	t.Helper()
	h.run(t, "signer-0", "rules", "attest", h.path(cmp.Or(h.rules, "policy.yaml")))
}

// open starts n replicas.
func (h *house) open(t *testing.T, n int) []*signer {
	t.Helper()
	for _, name := range names(n) {
		h.configure(t, name, h.dsn)
	}
	h.attest(t)
	var replicas []*signer
	for _, name := range names(n) {
		replicas = append(replicas, h.start(t, name))
	}
	return replicas
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("signer-%d", i)
	}
	return all
}

// verify checks the logs of all replicas together, and that each entry has the name of the
// replica that wrote it.
func (h *house) verify(t *testing.T, n int) {
	t.Helper()
	args := []string{"audit", "verify"}
	for _, name := range names(n) {
		args = append(args, filepath.Join(h.path(name), "audit.log"))
	}
	text, err := exec.CommandContext(t.Context(), h.program, args...).CombinedOutput() // #nosec G204 -- the program under test
	if err != nil {
		t.Fatalf("audit verify: %v\n%s", err, text)
	}
	for _, name := range names(n) {
		log, err := os.ReadFile(filepath.Join(h.path(name), "audit.log"))
		must(t, err)
		for line := range strings.Lines(string(log)) {
			if !strings.Contains(line, `,"replica":"`+name+`",`) {
				t.Errorf("the log of %s has an entry that is not of it: %s", name, line)
				break
			}
		}
	}
}
