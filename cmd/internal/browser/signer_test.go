package browser_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience bounds whatever is waited for.
const patience = time.Minute

// usdc is the token that is paid with, and shop who is paid.
const (
	usdc = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
	shop = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
)

// evil is a text that would do harm where it is not inert.
const evil = `<script>document.title="harm"</script><img src=x onerror=alert(1)>`

// signer is a kvclef that runs, with three people and a console.
type signer struct {
	program, dir, data, url string
	account                 string
}

// start builds and starts it.
func start(t *testing.T) *signer {
	t.Helper()
	s := &signer{dir: t.TempDir()}
	s.program, s.data = filepath.Join(s.dir, "kvclef"), filepath.Join(s.dir, "data")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", s.program, "./cmd/kvclef")
	build.Dir = "../../.." // the product's module
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building kvclef: %v\n%s", err, text)
	}
	port := freePort(t)
	s.url = fmt.Sprintf("http://localhost:%d", port)
	s.write(t, "kvclef.yaml", fmt.Sprintf(`
approvals:
  people: {alice: {}, bob: {}, carol: {}}
  console: {enabled: true, port: %d}
`, port))
	s.write(t, "policy.yaml", `
version: 1
chains: {dev: 1337}
tokens: {USDC: {chain: dev, address: "`+usdc+`", decimals: 6, standard: erc20}}
accounts: {shop: "`+shop+`"}
approvals:
  finance: {threshold: 2, of: [alice, bob, carol], wait: 0s, expires: 1h}
  quick: {threshold: 1, of: [alice], wait: 0s, expires: 1m}
rules:
  - {id: list, effect: allow, match: {principal: [local], kind: [list]}}
  - {id: large, effect: allow, match: {principal: [local], kind: [transaction], to: ["`+usdc+`"], function: "transfer(address,uint256)"}, approvals: finance}
  - {id: texts, effect: allow, match: {principal: [local], kind: [text]}, approvals: quick}
`)
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // it ends after the browsers
	command := exec.CommandContext(ctx, s.program, "dev", "--http=false", "--config", s.path("kvclef.yaml"), "--policy", s.path("policy.yaml"), "--datadir", s.data, "--ipcpath", s.path("s.ipc"))
	command.Env = []string{"HOME=" + s.dir}
	command.Stderr = t.Output()
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	lines := bufio.NewScanner(out)
	found := make(chan string, 1)
	go func() {
		account := regexp.MustCompile(`0x[0-9a-fA-F]{40}`)
		for lines.Scan() {
			if text := account.FindString(lines.Text()); text != "" {
				select {
				case found <- text:
				default:
				}
			}
		}
		ended <- command.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("kvclef ended with %v", err)
		}
	})
	select {
	case s.account = <-found:
	case err := <-ended:
		ended <- err
		t.Fatalf("kvclef does not start: %v", err)
	case <-time.After(patience):
		t.Fatal("kvclef does not start")
	}
	return s
}

func (s *signer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *signer) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

// run runs a command of kvclef, and returns what it prints.
func (s *signer) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), s.program, append(args, "--datadir", s.data)...)
	command.Env = []string{"HOME=" + s.dir}
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("kvclef %v: %w: %s", args, err, said.String())
	}
	return strings.TrimSpace(string(out)), err
}

// answer is what the signer answers to a request.
type answer struct {
	Result json.RawMessage
	Error  *struct {
		Message string
		Data    struct{ Ticket string }
	}
}

// ask asks the signer over its socket.
func (s *signer) ask(t *testing.T, method string, params ...any) answer {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "unix", s.path("s.ipc"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params}); err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}

// pay asks for a transfer of so many USDC.
func (s *signer) pay(t *testing.T, amount int) answer {
	t.Helper()
	data := "0xa9059cbb000000000000000000000000" + strings.ToLower(shop[2:]) + fmt.Sprintf("%064x", amount*1_000_000)
	return s.ask(t, "account_signTransaction", map[string]string{
		"from": s.account, "to": usdc, "data": data, "value": "0x0", "nonce": "0x7", "gas": "0x15f90", "chainId": "0x539",
		"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1",
	})
}

// ticketOf is the ticket that a refusal names.
func ticketOf(t *testing.T, a answer) string {
	t.Helper()
	if a.Error == nil || a.Error.Data.Ticket == "" {
		t.Fatalf("no ticket: %s, %+v", a.Result, a.Error)
	}
	return a.Error.Data.Ticket
}
