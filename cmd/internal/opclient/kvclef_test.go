package opclient

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// patience bounds what the tests wait for.
const patience = 60 * time.Second

// The callers that the policy knows, the one that it doesn't, and the recipient
// that it denies.
const (
	batcher   = "op-batcher.example"
	sequencer = "op-node.example"
	stranger  = "stranger.example"
	denied    = "0x00000000000000000000000000000000deadbeef"
)

const policy = `version: 1
accounts: {hot: "ADDRESS"}
lists: {denied: ["` + denied + `"]}
rules:
  - {id: denied, effect: deny, match: {to: denied}}
  - {id: batcher, effect: allow, match: {principal: [` + batcher + `], method: [eth_signTransaction], account: hot, chain: [900]}}
  - id: sequencer
    effect: allow
    match: {principal: [` + sequencer + `], method: [opsigner_signBlockPayload, opsigner_signBlockPayloadV2], account: hot, chain: [901]}
`

// signer is a kvclef that runs.
type signer struct {
	url     string
	account common.Address
	folder  string // of its files
	servers *authority
	log     *recorder
}

// recorder keeps what a program says.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *recorder) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(text)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// build makes the program as it is released.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "kvclef")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./cmd/kvclef")
	command.Dir = "../../.."
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building kvclef: %v\n%s", err, out)
	}
	return binary
}

// start runs a signer that asks for certificates of an authority, until the test
// ends.
func start(t *testing.T, clients *authority) *signer {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{account: crypto.PubkeyToAddress(key.PublicKey), folder: t.TempDir(), servers: newAuthority(t, "servers"), log: new(recorder)}
	s.servers.export(t, s.path("servers.crt"))
	s.servers.server(t, s.folder)
	clients.export(t, s.path("clients.crt"))
	for name, text := range map[string]string{
		"key.hex": hex.EncodeToString(crypto.FromECDSA(key)), "policy.yaml": strings.ReplaceAll(policy, "ADDRESS", s.account.Hex()),
	} {
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, build(t))
	return s
}

func (s *signer) path(name string) string { return filepath.Join(s.folder, name) }

// run starts the program and waits for the line that says where it listens.
func (s *signer) run(t *testing.T, binary string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, binary, "dev", "--chainid", "900,901",
		"--policy", s.path("policy.yaml"), "--import", s.path("key.hex"), "--datadir", s.path("data"), "--ipcdisable",
		"--http.addr", "127.0.0.1", "--http.port", "0", "--log.format", "json",
		"--http.tls.cert", s.path("tls.crt"), "--http.tls.key", s.path("tls.key"), "--http.tls.clientca", s.path("clients.crt"))
	command.Stderr = s.log
	command.WaitDelay = patience
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for s.url == "" && lines.Scan() {
		if url, found := strings.CutPrefix(lines.Text(), "HTTP     "); found {
			s.url = url
		}
	}
	ended := make(chan error, 1)
	go func() {
		for lines.Scan() { // so that it never waits for a reader
		}
		ended <- command.Wait()
	}()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // fails only when it has ended
		if err := <-ended; err != nil {
			t.Errorf("kvclef ended with %v", err)
		}
		if t.Failed() {
			t.Logf("kvclef said:\n%s", s.log)
		}
	})
	if !strings.HasPrefix(s.url, "https://127.0.0.1:") {
		t.Fatalf("kvclef listens on %q", s.url)
	}
}
