package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// screen is a user interface made for Clef. It approves what its person would, and
// changes what it is told to.
type screen struct {
	ready  chan json.RawMessage // where the signer listens
	asking chan struct{}        // closed when it is asked about data
	hangs  chan struct{}        // what it waits for then; nil: nothing
	stderr lockedBuffer         // of the signer

	mu     sync.Mutex
	refuse bool
	nonce  string // that it puts in the place of the one asked for; "" leaves it
	asked  []string
	signed []json.RawMessage
}

func (s *screen) note(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, method)
}

// OnSignerStartup is ui_onSignerStartup.
func (s *screen) OnSignerStartup(info json.RawMessage) { s.ready <- info }

// ApproveListing is ui_approveListing.
func (s *screen) ApproveListing(request map[string]any) map[string]any {
	s.note("listing")
	return map[string]any{"accounts": request["accounts"]}
}

// ApproveTx is ui_approveTx.
func (s *screen) ApproveTx(request map[string]any) map[string]any {
	s.note("tx")
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, _ := request["transaction"].(map[string]any)
	if s.nonce != "" {
		tx["nonce"] = s.nonce
	}
	return map[string]any{"transaction": tx, "approved": !s.refuse}
}

// ApproveSignData is ui_approveSignData.
func (s *screen) ApproveSignData(map[string]any) map[string]any {
	s.note("data")
	if s.hangs != nil {
		close(s.asking)
		<-s.hangs
	}
	return map[string]any{"approved": true}
}

// OnApprovedTx is ui_onApprovedTx.
func (s *screen) OnApprovedTx(tx json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed = append(s.signed, tx)
}

// ShowError is ui_showError.
func (s *screen) ShowError(map[string]any) { s.note("error") }

func (s *screen) set(do func(*screen)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
}

// TestStdioUI has an interface made for Clef decide, over the streams of the
// command: it may change a transaction only where that is allowed.
func TestStdioUI(t *testing.T) {
	for name, flags := range map[string][]string{"unchanged": nil, "changes": {"--stdio-ui.changes"}} {
		t.Run(name, func(t *testing.T) {
			s := &screen{ready: make(chan json.RawMessage, 1)}
			socket := startUI(t, s, flags...)
			client, err := rpc.DialContext(t.Context(), socket)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			var accounts []common.Address
			if err := client.CallContext(t.Context(), &accounts, "account_list"); err != nil || len(accounts) != 1 {
				t.Fatalf("%v, %v", accounts, err)
			}
			sign := func() (*types.Transaction, error) {
				var signed struct{ Raw hexutil.Bytes }
				err := client.CallContext(t.Context(), &signed, "account_signTransaction", map[string]string{
					"from": accounts[0].Hex(), "to": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "gas": "0x5208", "value": "0x1", "nonce": "0x7",
					"maxFeePerGas": "0x2", "maxPriorityFeePerGas": "0x1",
				})
				tx := new(types.Transaction)
				if err == nil {
					err = tx.UnmarshalBinary(signed.Raw)
				}
				return tx, err
			}
			if tx, err := sign(); err != nil || tx.Nonce() != 7 {
				t.Errorf("approved: %v, %v", tx, err)
			}
			s.set(func(s *screen) { s.nonce = "0x9" })
			switch tx, err := sign(); {
			case name == "unchanged" && (err == nil || err.Error() != "request denied"):
				t.Errorf("a changed transaction is signed: %v", err)
			case name == "changes" && (err != nil || tx.Nonce() != 9):
				t.Errorf("changed: %v, %v", tx, err)
			}
			s.set(func(s *screen) { s.refuse = true })
			if _, err := sign(); err == nil || err.Error() != "request denied" {
				t.Errorf("rejected: %v", err)
			}
			if err := client.CallContext(t.Context(), nil, "account_signData", "text/plain", accounts[0], "0x6869"); err != nil {
				t.Errorf("data: %v", err)
			}
			s.set(func(s *screen) {
				want := "listing tx tx error tx data"
				if name == "changes" {
					want = "listing tx tx tx data"
				}
				if got := strings.Join(s.asked, " "); got != want {
					t.Errorf("asked %s, want %s", got, want)
				}
			})
		})
	}
}

// TestStdioUINamedPeople: the interface stands for nobody whom a policy names, which is told
// at the start.
func TestStdioUINamedPeople(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"open.js": `function ApproveTx(r) { return "Manual" }`,
		"policy.yaml": `version: 1
approvals:
  treasury: {threshold: 2, of: [alice, bob]}
rules:
  - {id: list, effect: allow, match: {kind: [list]}}
  - {id: left-open, effect: allow, match: {principal: [local], plain: true, to: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"], value_max: "1 wei"}, js: open.js}
  - {id: pay, effect: allow, match: {principal: [local], plain: true, to: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}, approvals: treasury}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &screen{ready: make(chan json.RawMessage, 1)}
	client, err := rpc.DialContext(t.Context(), startUI(t, s, "--policy", filepath.Join(dir, "policy.yaml"), "--rules", filepath.Join(dir, "open.js")))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var accounts []common.Address
	if err := client.CallContext(t.Context(), &accounts, "account_list"); err != nil || len(accounts) != 1 {
		t.Fatalf("%v, %v", accounts, err)
	}
	for value, asked := range map[string]string{"0x1": "tx", "0x2": ""} {
		s.set(func(s *screen) { s.asked = nil })
		err := client.CallContext(t.Context(), nil, "account_signTransaction", map[string]string{
			"from": accounts[0].Hex(), "to": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "gas": "0x5208", "value": value, "nonce": "0x7",
			"maxFeePerGas": "0x2", "maxPriorityFeePerGas": "0x1",
		})
		s.set(func(s *screen) {
			if got := strings.Join(s.asked, " "); got != asked || (err == nil) != (asked != "") {
				t.Errorf("value %s: asked %q, %v", value, got, err)
			}
		})
	}
	for _, want := range []string{"refers to people by approvals.treasury", "with --stdio-ui too", "2 of treasury must approve it"} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("not told %q: %s", want, s.stderr.String())
		}
	}
}

// TestStdioUIStops: when the signer stops, what waits for the interface is refused, which is on
// record, and it ends well.
func TestStdioUIStops(t *testing.T) {
	s := &screen{ready: make(chan json.RawMessage, 1), asking: make(chan struct{}), hangs: make(chan struct{})}
	told := make(chan error, 1)
	t.TempDir() // it is removed after all that follows
	var log string
	t.Cleanup(func() {
		if err := <-told; err == nil || !strings.HasPrefix(err.Error(), "request denied") {
			t.Errorf("the caller is told %v", err)
		}
		record, err := os.ReadFile(log)
		if err != nil {
			t.Error(err)
		}
		for _, want := range []string{`"method":"account_signData"`, "the signer is stopping"} {
			if !strings.Contains(string(record), want) {
				t.Errorf("the record has no %s: %s", want, record)
			}
		}
	})
	socket := startUI(t, s)
	log = filepath.Join(filepath.Dir(socket), "audit.log")
	client, err := rpc.DialContext(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.hangs)
		defer client.Close()
		told <- client.CallContext(context.Background(), nil, "account_signData", "text/plain", common.Address{1}, "0x6869") //nolint:usetesting // it is told after the test
	}()
	<-s.asking
}

// startUI starts a signer with an interface at the other end of its streams, and
// returns where it listens.
func startUI(t *testing.T, s *screen, flags ...string) (socket string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dev")
	socket = filepath.Join(dir, "kvclef.ipc")
	toUI, stdout := io.Pipe()
	stdin, fromUI := io.Pipe()
	ui, err := rpc.DialIO(t.Context(), toUI, fromUI)
	if err != nil {
		t.Fatal(err)
	}
	if err := ui.RegisterName("ui", s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"kvclef", "dev", "--stdio-ui", "--http=false", "--datadir", dir, "--ipcpath", socket}, flags...), stdin, stdout, &s.stderr)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d: %s", code, s.stderr.String())
		}
		for _, pipe := range []io.Closer{stdout, fromUI, toUI, stdin} {
			_ = pipe.Close() // ends the readers
		}
		ui.Close()
		if !strings.Contains(s.stderr.String(), socket) {
			t.Errorf("where it listens is not said: %s", s.stderr.String())
		}
	})
	select {
	case info := <-s.ready:
		if !strings.Contains(string(info), socket) {
			t.Errorf("started with %s", info)
		}
	case code := <-ended:
		ended <- code
		t.Fatalf("it ended: %s", s.stderr.String())
	case <-time.After(time.Minute):
		t.Fatal("it does not start")
	}
	return socket
}
