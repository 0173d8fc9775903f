//go:build linux

package overload_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/measure"
	"github.com/kvclef/kvclef/extapi/tlstest"
)

const (
	chainID = 31337
	latency = 12 * time.Millisecond // of a vault, as a Managed HSM says of itself
)

const policy = `version: 1
chains: {dev: 31337}
rules:
  - id: pay
    effect: allow
    match: {kind: [transaction], chain: [dev]}
    limits:
      - {id: day, measure: value, max: "1 gwei", window: 24h, per: [account]}
`

var listens = regexp.MustCompile(`(?m)^HTTP +(https://127\.0\.0\.1:\d+)$`)

// signer is a running kvclef, and the vaults that hold its one key.
type signer struct {
	dir, program, url string
	env               []string
	account           common.Address
	ca                *tlstest.CA
	vaults            []*emulator.Server
	process           *measure.Process

	mu     sync.Mutex
	signed map[common.Hash]bool // digests, by any vault
}

// start starts a signer whose vaults, as many as given, take limit requests a
// second. The settings of each vault, and those beside them, are lines of YAML.
func start(t *testing.T, program string, vaults, limit int, ofVault, settings string) *signer {
	t.Helper()
	s := &signer{dir: t.TempDir(), program: program, signed: make(map[common.Hash]bool)}
	var err error
	s.ca, err = tlstest.NewCA("overload")
	ok(t, err)
	certificate, err := s.ca.Server()
	ok(t, err)
	for name, text := range map[string][]byte{
		"server.crt": certificate.Cert, "server.key": certificate.Key, "callers.crt": s.ca.PEM, "policy.yaml": []byte(policy),
	} {
		s.write(t, name, text)
	}
	key, err := crypto.GenerateKey()
	ok(t, err)
	s.account = crypto.PubkeyToAddress(key.PublicKey)
	config := fmt.Sprintf(`chainids: [%d]
datadir: %s
rules: {policy: %s}
listeners:
  ipc: {disabled: true}
  http:
    enabled: true
    addr: 127.0.0.1
    port: 0
    tls: {cert_file: %s, key_file: %s, client_ca_file: %s}
log: {level: warn}
%svaults:
`, chainID, s.path("data"), s.path("policy.yaml"), s.path("server.crt"), s.path("server.key"), s.path("callers.crt"), settings)
	s.env = []string{"HOME=" + s.dir}
	for i := range vaults {
		vault := s.open(t, limit, key)
		config += s.entry(t, i, vault, ofVault)
		s.env = append(s.env, fmt.Sprintf("SECRET_%d=%s", i, vault.ClientSecret()))
	}
	s.write(t, "kvclef.yaml", []byte(config))
	for _, args := range [][]string{{"init"}, {"rules", "attest", s.path("policy.yaml")}} {
		s.run(t, args...)
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), s.program, "serve", "--config", s.path("kvclef.yaml"))
	command.Env = s.env
	s.process, err = measure.Start(context.WithoutCancel(t.Context()), s.path("output"), command)
	ok(t, err)
	t.Cleanup(func() { _ = s.process.Stop() }) // the test has, if it came so far
	ok(t, s.process.Await(t.Context(), func(context.Context) (err error) { s.url, err = s.process.Printed(listens); return err }))
	return s
}

// open opens a vault that holds the key.
func (s *signer) open(t *testing.T, limit int, key *ecdsa.PrivateKey) *emulator.Server {
	t.Helper()
	vault, err := emulator.Start(t.Context(), emulator.Options{
		Vaults:  []emulator.VaultOptions{{Name: "dev", Limit: emulator.Limit{Requests: 10 * limit}}},
		Latency: latency, Signing: s.note,
	})
	ok(t, err)
	t.Cleanup(func() { _ = vault.Close() })
	_, err = vault.ImportKey("dev", "treasury", key)
	ok(t, err)
	s.vaults = append(s.vaults, vault)
	return vault
}

// entry is a vault in the configuration.
func (s *signer) entry(t *testing.T, i int, vault *emulator.Server, settings string) string {
	t.Helper()
	ca := fmt.Sprintf("vault-%d.pem", i)
	s.write(t, ca, vault.CAPEM())
	return fmt.Sprintf(`  - name: vault-%d
    url: https://%s
    custom_endpoint: true
    authority: https://%[2]s/
    ca_file: %[3]s
    credential: {kind: client-secret, tenant_id: %[4]s, client_id: %[5]s, secret_env: SECRET_%[1]d}
%[6]s`, i, vault.Addr(), s.path(ca), vault.TenantID(), vault.ClientID(), settings)
}

// note is told of each digest that a vault signs.
func (s *signer) note(digest []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed[common.BytesToHash(digest)] = true
}

// digests is how many different ones were signed.
func (s *signer) digests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.signed)
}

// throttled is how many requests the vaults answered with 429.
func (s *signer) throttled() (sum int) {
	for _, vault := range s.vaults {
		sum += vault.Throttled()
	}
	return sum
}

func (s *signer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *signer) write(t *testing.T, name string, text []byte) {
	t.Helper()
	ok(t, os.WriteFile(s.path(name), text, 0o600))
}

// run runs another command of kvclef to its end, and returns what it prints.
func (s *signer) run(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), s.program, append(args, "--config", s.path("kvclef.yaml"))...)
	command.Env = s.env
	var complaint strings.Builder
	command.Stderr = &complaint
	text, err := command.Output()
	if err != nil {
		t.Fatalf("kvclef %v: %v\n%s%s", args, err, text, complaint.String())
	}
	return string(text)
}

// usage is what the process has taken so far.
func (s *signer) usage(t *testing.T) measure.Usage {
	t.Helper()
	usage, err := measure.Read(s.process.PID())
	ok(t, err)
	return usage
}

// stop ends the signer in good order, verifies its log, and returns how many wei its
// limit has counted, one for each payment.
func (s *signer) stop(t *testing.T) int {
	t.Helper()
	ok(t, s.process.Stop())
	s.run(t, "audit", "verify")
	var limits []struct {
		Used json.Number `json:"used"`
	}
	text := s.run(t, "policy", "limits", s.path("policy.yaml"), "--json")
	if err := json.Unmarshal([]byte(text), &limits); err != nil || len(limits) != 1 {
		t.Fatalf("policy limits printed %q, %v", text, err)
	}
	used, err := strconv.Atoi(limits[0].Used.String())
	ok(t, err)
	return used
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
