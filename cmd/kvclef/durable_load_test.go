package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/extapi/audit"
)

// cappedRules sign a number of transactions, counted where they were signed.
const cappedRules = `
function ApproveListing() { return "Approve" }
function ApproveTx(r) { return Number(storage.get("signed") || "0") < %d ? "Approve" : "Reject" }
function OnApprovedTx(r) { storage.put("signed", String(Number(storage.get("signed") || "0") + 1)) }
`

// TestACapHoldsUnderLoad has many callers ask a whole signer for more than its
// rule file allows, while its state is looked at and copied.
func TestACapHoldsUnderLoad(t *testing.T) {
	t.Parallel()
	const signable, callers, each = 40, 16, 8
	folder := t.TempDir()
	data, file := filepath.Join(folder, "data"), filepath.Join(folder, "rules.js")
	if err := os.WriteFile(file, fmt.Appendf(nil, cappedRules, signable), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var said lockedBuffer
	ended := make(chan int, 1)
	opened := &firstLine{seen: make(chan struct{})}
	go func() {
		ended <- run(ctx, []string{"kvclef", "dev", "--rules", file, "--datadir", data, "--http=false", "--loglevel", "warn"}, strings.NewReader(""), opened, &said)
	}()
	select {
	case <-opened.seen:
	case code := <-ended:
		t.Fatalf("ended with %d: %s", code, said.String())
	}

	var signed, refused atomic.Int64
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { ask(t, filepath.Join(data, "kvclef.ipc"), i*each, each, &signed, &refused) })
	}
	for i := range 3 {
		if out := mustKvclef(t, "state", "show", "--datadir", data, "--values"); !strings.Contains(out, "Signer       running\n") {
			t.Errorf("the state is\n%s", out)
		}
		mustKvclef(t, "state", "backup", filepath.Join(folder, fmt.Sprint(i)), "--datadir", data)
	}
	all.Wait()
	cancel()
	if code := <-ended; code != exitOK {
		t.Fatalf("ended with %d: %s", code, said.String())
	}
	if signed.Load() != signable || refused.Load() != callers*each-signable {
		t.Errorf("%d were signed and %d refused, want %d and %d", signed.Load(), refused.Load(), signable, callers*each-signable)
	}
	report, err := audit.Verify(t.Context(), filepath.Join(data, "audit.log"), audit.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if text := readFile(t, filepath.Join(data, "audit.log")); strings.Count(string(text), `"outcome":"signed","released":true`) != signable {
		t.Errorf("the audit log has another number of signatures: %+v", report)
	}
	if out := mustKvclef(t, "state", "show", "--datadir", data, "--values"); !strings.Contains(out, fmt.Sprintf("  \"signed\": \"%d\"\n", signable)) {
		t.Errorf("the state is\n%s", out)
	}
}

// ask asks for signatures over one connection, with nonces of its own.
func ask(t *testing.T, socket string, nonce, times int, signed, refused *atomic.Int64) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client, err := rpc.DialContext(ctx, socket)
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	var accounts []string
	if err := client.CallContext(ctx, &accounts, "account_list"); err != nil || len(accounts) != 1 {
		t.Errorf("the accounts are %v, %v", accounts, err)
		return
	}
	for i := range times {
		var result json.RawMessage
		err := client.CallContext(ctx, &result, "account_signTransaction", map[string]string{
			"from": accounts[0], "to": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "gas": "0x5208", "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1", "value": "0x0", "nonce": fmt.Sprintf("%#x", nonce+i),
		})
		switch {
		case err == nil:
			signed.Add(1)
		case strings.HasPrefix(err.Error(), "request denied"):
			refused.Add(1)
		default:
			t.Error(err)
		}
	}
}

// firstLine tells that something was written.
type firstLine struct {
	once sync.Once
	seen chan struct{}
}

// Write tells it the first time.
func (f *firstLine) Write(text []byte) (int, error) {
	f.once.Do(func() { close(f.seen) })
	return len(text), nil
}
