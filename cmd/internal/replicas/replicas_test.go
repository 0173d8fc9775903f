//go:build unix

package replicas_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

const (
	chainID = 31337
	limit   = 100 // wei in a day, of all replicas together
	clients = 64
)

// patience bounds what is waited for.
const patience = 30 * time.Second

const policy = `version: 1
chains: {dev: 31337}
rules:
  - id: pay
    effect: allow
    match: {kind: [transaction], chain: [dev]}
    limits:
      - {id: day, measure: value, max: "100 wei", window: 24h, per: [account]}
`

// house is the database and the vault that replicas share.
type house struct {
	dir, program string
	vault        *emulator.Server
	account      common.Address
	database     *pgtest.Server
	dsn          string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), database: pgtest.Start(t)}
	h.dsn = h.database.TCP(h.database.Database(t))
	h.program = filepath.Join(h.dir, "kvclef")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", h.program, "github.com/kvclef/kvclef/cmd/kvclef").CombinedOutput(); err != nil {
		t.Fatalf("building kvclef: %v\n%s", err, text)
	}
	vault, err := emulator.Start(t.Context(), emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	key, err := vault.CreateKey("dev", "treasury")
	if err != nil {
		t.Fatal(err)
	}
	h.vault, h.account = vault, crypto.PubkeyToAddress(*key.Public)
	h.write(t, "vault.pem", string(vault.CAPEM()))
	h.write(t, "policy.yaml", policy)
	h.write(t, "dsn", h.dsn)
	return h
}

func (h *house) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// command is a command with the configuration of a replica.
func (h *house) command(ctx context.Context, replica string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, h.program, append(args, "--config", filepath.Join(h.dir, replica+".yaml"))...)
	command.Env = []string{"HOME=" + h.dir, "VAULT_SECRET=" + h.vault.ClientSecret(), "PATH=" + os.Getenv("PATH")}
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

// signer is a replica that runs.
type signer struct {
	name    string
	command *exec.Cmd
	log     *bytes.Buffer
	done    chan error
	client  *rpc.Client
}

// configure writes the configuration of a replica, and makes its data directory.
func (h *house) configure(t *testing.T, name string) {
	t.Helper()
	h.write(t, name+".yaml", fmt.Sprintf(`
chainids: [%d]
datadir: %s
replica: %s
store: {postgres: {dsn_file: %s, timeout: 3s}}
listeners: {ipc: {path: %s}}
rules: {policy: %s}
limits: {repeat: 0s}
log: {level: warn}
vaults:
  - name: vault
    url: https://%s
    custom_endpoint: true
    authority: https://%[7]s/
    ca_file: %[8]s
    requests_per_second: -1
    credential: {kind: client-secret, tenant_id: %[9]s, client_id: %[10]s, secret_env: VAULT_SECRET}
`, chainID, filepath.Join(h.dir, name), name, filepath.Join(h.dir, "dsn"), h.socket(name), filepath.Join(h.dir, "policy.yaml"),
		h.vault.Addr(), filepath.Join(h.dir, "vault.pem"), h.vault.TenantID(), h.vault.ClientID()))
	h.run(t, name, "init")
}

func (h *house) socket(name string) string { return filepath.Join(h.dir, name+".ipc") }

// start starts a replica and waits until it answers.
func (h *house) start(t *testing.T, name string) *signer {
	t.Helper()
	s := &signer{name: name, log: new(bytes.Buffer), done: make(chan error, 1)}
	s.command = h.command(context.WithoutCancel(t.Context()), name, "serve")
	s.command.Stdout, s.command.Stderr = s.log, s.log
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.command.Wait() }()
	t.Cleanup(func() { s.end(t, syscall.SIGKILL) })
	deadline := time.Now().Add(patience)
	for {
		client, err := rpc.DialContext(t.Context(), h.socket(name))
		if err == nil {
			s.client = client
			return s
		}
		select {
		case ended := <-s.done:
			s.done <- ended
			t.Fatalf("%s ended: %v\n%s", name, ended, s.log)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v\n%s", name, err, s.log)
		}
	}
}

// end ends a replica.
func (s *signer) end(t *testing.T, signal os.Signal) {
	t.Helper()
	if s.client != nil {
		s.client.Close()
	}
	_ = s.command.Process.Signal(signal)
	select {
	case err := <-s.done:
		s.done <- err
	case <-time.After(patience):
		t.Errorf("%s does not end", s.name)
	}
}

// pay asks for a signature on a payment of one wei, with a nonce of its own.
func (s *signer) pay(ctx context.Context, from common.Address, nonce uint64) error {
	var signed struct {
		Raw hexutil.Bytes `json:"raw"`
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.client.CallContext(ctx, &signed, "account_signTransaction", map[string]any{
		"from": from, "to": common.HexToAddress("0x10000"), "gas": "0x5208", "maxFeePerGas": "0x2", "maxPriorityFeePerGas": "0x1",
		"value": "0x1", "nonce": hexutil.EncodeUint64(nonce), "chainId": (*hexutil.Big)(big.NewInt(chainID)), "input": "0x",
	})
}

// race has clients ask all replicas at once, and returns how many payments were signed.
func race(t *testing.T, h *house, replicas []*signer, first, payments uint64, during func()) (signed uint64, others []error) {
	t.Helper()
	var (
		nonce   atomic.Uint64
		given   atomic.Uint64
		mu      sync.Mutex
		group   sync.WaitGroup
		strange []error
	)
	nonce.Store(first)
	for i := range clients {
		group.Go(func() {
			for {
				n := nonce.Add(1) - 1
				if n >= first+payments {
					return
				}
				err := replicas[i%len(replicas)].pay(t.Context(), h.account, n)
				switch {
				case err == nil:
					given.Add(1)
				case !strings.Contains(err.Error(), "request denied"):
					mu.Lock()
					strange = append(strange, err)
					mu.Unlock()
					return // its replica is gone
				}
			}
		})
	}
	if during != nil {
		during()
	}
	group.Wait()
	return given.Load(), strange
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("signer-%d", i)
	}
	return all
}

func (h *house) open(t *testing.T, n int) []*signer {
	t.Helper()
	for _, name := range names(n) {
		h.configure(t, name)
	}
	h.run(t, "signer-0", "rules", "attest", filepath.Join(h.dir, "policy.yaml")) // for all
	var replicas []*signer
	for _, name := range names(n) {
		replicas = append(replicas, h.start(t, name))
	}
	return replicas
}

// verify checks the logs of all replicas together.
func (h *house) verify(t *testing.T, n int) string {
	t.Helper()
	args := []string{"audit", "verify"}
	for _, name := range names(n) {
		args = append(args, filepath.Join(h.dir, name, "audit.log"))
	}
	text, err := exec.CommandContext(t.Context(), h.program, args...).CombinedOutput() // #nosec G204 -- the program under test
	if err != nil {
		t.Fatalf("audit verify: %v\n%s", err, text)
	}
	return string(text)
}

// TestOneCap: replicas that are asked by many at once sign as much as one would, to the
// wei.
func TestOneCap(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			replicas := h.open(t, n)
			signed, others := race(t, h, replicas, 0, 3*limit, nil)
			if signed != limit || len(others) > 0 {
				t.Errorf("%d were signed of %d, and %v", signed, limit, errors.Join(others...))
			}
			for _, s := range replicas {
				s.end(t, syscall.SIGTERM)
			}
			h.verify(t, n)
			if text := h.run(t, "signer-0", "state", "show"); !strings.Contains(text, "100 used") {
				t.Errorf("the state shows\n%s", text)
			}
		})
	}
}

// TestAReplicaAndTheDatabaseFail in turns while limits are used up: nothing is signed
// beyond them, and the others go on.
func TestAReplicaAndTheDatabaseFail(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	replicas := h.open(t, 3)
	signed, others := race(t, h, replicas, 0, limit/2, func() {
		replicas[2].end(t, syscall.SIGKILL)
	})
	if len(others) == 0 || signed == 0 {
		t.Errorf("%d were signed, and %d calls failed: it was not killed meanwhile", signed, len(others))
	}
	more, others := race(t, h, replicas[:2], 1000, limit/4, func() { // what is asked meanwhile is refused
		h.database.Kill()
		if err := h.database.Start(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%d signed, %d calls failed", more, len(others))
	signed += more
	deadline := time.Now().Add(patience)
	for n := uint64(2000); ; n++ { // the database is there again
		if err := replicas[0].pay(t.Context(), h.account, n); err == nil {
			signed++
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("it does not sign any more: %v\n%s", err, replicas[0].log)
		}
	}
	more, others = race(t, h, replicas[:2], 10_000, 2*limit, nil)
	for _, err := range others {
		t.Errorf("when all is well again: %v", err)
	}
	if signed += more; signed > limit || more == 0 && signed < limit/2 {
		t.Errorf("%d were signed, at most %d may be", signed, limit)
	}
	for _, s := range replicas[:2] {
		s.end(t, syscall.SIGTERM)
	}
	h.verify(t, 3)
}
