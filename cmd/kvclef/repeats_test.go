package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// repeater is a whole signer with a vault of its own, whose requests are counted.
type repeater struct {
	vault *embedded
	data  string
	rules string        // a rule file; "": everything is approved
	keep  time.Duration // limits.repeat
}

func newRepeater(t *testing.T) *repeater {
	t.Helper()
	vault, err := startEmbedded(t.Context(), embeddedOptions{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vault.close)
	return &repeater{vault: vault, data: filepath.Join(t.TempDir(), "d"), keep: time.Hour}
}

// run runs the signer while the function asks it.
func (r *repeater) run(t *testing.T, ask func(socket string)) {
	t.Helper()
	cfg := config.Default()
	cfg.ChainIDs, cfg.DataDir, cfg.RefreshInterval = []uint64{devChain}, r.data, 0
	cfg.Listeners.IPC.Path = filepath.Join(r.data, ownSocket)
	cfg.Limits.Repeat, cfg.Rules.File = r.keep, r.rules
	log := slog.New(slog.DiscardHandler)
	state, err := openDurable(t.Context(), cfg, durableOptions{path: r.data, make: true}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan string, 1)
	signer := &signing{
		cfg: cfg, vaults: r.vault.vaults, state: state, decider: devDecider(ctx, r.rules == "", state, log), loopbackOnly: true, log: log,
		ready: func(open addresses, _ []rules.Account) error { opened <- open.ipc; return nil },
	}
	ended := make(chan error, 1)
	go func() { ended <- signer.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the signer ended with %v", err)
		}
		if err := state.close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	select {
	case socket := <-opened:
		ask(socket)
	case err := <-ended:
		ended <- err
		t.Errorf("the signer does not start: %v", err)
	}
}

// signs is how many requests for a signature the vault has had.
func (r *repeater) signs() int { return r.vault.server.Count(emulator.OpSign) }

// call asks over a connection of its own.
func (r *repeater) call(t *testing.T, socket, method string, params ...any) (string, error) {
	t.Helper()
	client, err := rpc.DialContext(t.Context(), socket)
	if err != nil {
		return "", err
	}
	defer client.Close()
	var result json.RawMessage
	err = client.CallContext(t.Context(), &result, method, params...)
	return string(result), err
}

// signTx asks for the signature of a transaction with a nonce.
func (r *repeater) signTx(t *testing.T, socket string, nonce int) (string, error) {
	t.Helper()
	return r.call(t, socket, "account_signTransaction", map[string]string{
		"from": r.account(), "to": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "gas": "0x5208", "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x1",
		"value": "0x1", "nonce": fmt.Sprintf("%#x", nonce),
	})
}

func (r *repeater) account() string { return r.vault.vaults[0].Accounts()[0].Address.Hex() }

// TestRepeatsOfEveryKind get the same answer to the byte, with one request to
// the vault; in another run of the signer, or without memory, it is asked again.
func TestRepeatsOfEveryKind(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	typed := map[string]any{
		"types":       map[string]any{"EIP712Domain": []any{map[string]string{"name": "name", "type": "string"}}, "Mail": []any{map[string]string{"name": "text", "type": "string"}}},
		"primaryType": "Mail", "domain": map[string]string{"name": "d"}, "message": map[string]string{"text": "hello"},
	}
	kinds := map[string]func(socket string) (string, error){
		"transaction": func(socket string) (string, error) { return r.signTx(t, socket, 1) },
		"text": func(s string) (string, error) {
			return r.call(t, s, "account_signData", "text/plain", r.account(), "0x6869")
		},
		"validator": func(s string) (string, error) {
			return r.call(t, s, "account_signData", "data/validator", r.account(), map[string]string{"address": r.account(), "message": "0x6869"})
		},
		"typed data": func(s string) (string, error) { return r.call(t, s, "account_signTypedData", r.account(), typed) },
	}
	for _, run := range []struct {
		keep time.Duration
		want int // requests to the vault
	}{{time.Hour, 1}, {time.Hour, 1}, {0, 2}} {
		r.keep = run.keep
		r.run(t, func(socket string) {
			for kind, ask := range kinds {
				before := r.signs()
				first, err := ask(socket)
				if err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				// The vault of the tests signs the same in the same way: its requests tell.
				if second, err := ask(socket); err != nil || second != first {
					t.Errorf("%s: answered with %s, then with %s, %v", kind, first, second, err)
				}
				if got := r.signs() - before; got != run.want {
					t.Errorf("%s: kept for %s, %d requests to the vault, want %d", kind, run.keep, got, run.want)
				}
			}
		})
	}
	mustKvclef(t, "audit", "verify", "--datadir", r.data)
}

// TestEqualRequestsAreOneRequestToTheVault: 64 callers at once get one signature,
// and all of them are on record.
func TestEqualRequestsAreOneRequestToTheVault(t *testing.T) {
	t.Parallel()
	const callers = 64
	r := newRepeater(t)
	r.vault.server.SetLatency(200 * time.Millisecond)
	r.run(t, func(socket string) {
		var answers sync.Map
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				answer, err := r.signTx(t, socket, 1)
				if err != nil {
					t.Error(err)
				}
				answers.Store(answer, true)
			})
		}
		all.Wait()
		different := 0
		answers.Range(func(any, any) bool { different++; return true })
		if different != 1 || r.signs() != 1 {
			t.Errorf("%d answers, %d requests to the vault", different, r.signs())
		}
	})
	log := string(readFile(t, filepath.Join(r.data, "audit.log")))
	if signed, repeats := strings.Count(log, `"outcome":"signed","released":true`), strings.Count(log, `"repeat":true`); signed != callers || repeats != callers-1 {
		t.Errorf("%d signatures and %d repeats are on record", signed, repeats)
	}
}

// TestRepeatsAreDecidedAnew: what a rule file refuses now is refused, and what it
// approves it counts.
func TestRepeatsAreDecidedAnew(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	r.rules = filepath.Join(t.TempDir(), "rules.js")
	if err := os.WriteFile(r.rules, fmt.Appendf(nil, cappedRules, 2), 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(t, func(socket string) {
		first, err := r.signTx(t, socket, 1)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := r.signTx(t, socket, 1); err != nil || second != first {
			t.Errorf("the repeat is %s, %v, not %s", second, err, first)
		}
		if third, err := r.signTx(t, socket, 1); err == nil {
			t.Errorf("the rule file refuses, and %s is answered", third)
		}
	})
	if r.signs() != 1 {
		t.Errorf("%d requests to the vault", r.signs())
	}
}

// TestNothingIsRepeatedThatWasNotReleased: a definite failure, and a signature
// that was made and lost.
func TestNothingIsRepeatedThatWasNotReleased(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind    emulator.FaultKind
		outcome string
	}{
		{emulator.FaultKeyDisabled, `"outcome":"not signed","released":false`},
		{emulator.FaultTruncated, `"outcome":"unknown","released":false`},
		{emulator.FaultWrongSignature, `"outcome":"unknown","released":false`},
	} {
		t.Run(tt.kind.String(), func(t *testing.T) {
			t.Parallel()
			r := newRepeater(t)
			remove := r.vault.server.Inject(emulator.Fault{Op: emulator.OpSign, Kind: tt.kind})
			r.run(t, func(socket string) {
				if answer, err := r.signTx(t, socket, 1); err == nil {
					t.Errorf("answered with %s", answer)
				}
				remove()
				failed := r.signs()
				second, err := r.signTx(t, socket, 1)
				if err != nil || r.signs() != failed+1 {
					t.Errorf("the next request: %d more requests to the vault, %v", r.signs()-failed, err)
				}
				if third, err := r.signTx(t, socket, 1); err != nil || third != second || r.signs() != failed+1 {
					t.Errorf("its repeat: %d more requests to the vault, %v", r.signs()-failed, err)
				}
			})
			if log := string(readFile(t, filepath.Join(r.data, "audit.log"))); strings.Count(log, tt.outcome) != 1 || strings.Count(log, `"repeat":true`) != 1 {
				t.Errorf("recorded\n%s", log)
			}
		})
	}
}

// TestAuditShowsRepeats: the first request shows what repeats it, and a repeat
// shows the first.
func TestAuditShowsRepeats(t *testing.T) {
	t.Parallel()
	r := newRepeater(t)
	r.run(t, func(socket string) {
		for _, nonce := range []int{1, 2, 1, 1} {
			if _, err := r.signTx(t, socket, nonce); err != nil {
				t.Error(err)
			}
		}
	})
	// Entry 1 is the start; a decision and an outcome follow of each request.
	for asked, want := range map[string]string{"2": "2 3 7 9", "3": "2 3 7 9", "4": "4 5", "7": "2 3 6 7", "8": "2 3 8 9"} {
		text := mustKvclef(t, "audit", "show", asked, "--datadir", r.data, "--json")
		var got []string
		for line := range strings.Lines(text) {
			var entry struct{ Seq int }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(entry.Seq))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("show %s shows the entries %v, want %s", asked, got, want)
		}
	}
	if text := mustKvclef(t, "audit", "tail", filepath.Join(r.data, "audit.log"), "-n", "100"); strings.Count(text, "  signed    repeats ") != 2 {
		t.Errorf("tail shows\n%s", text)
	}
	mustKvclef(t, "audit", "export", filepath.Join(r.data, "audit.log"), "--format", "csv", "-o", filepath.Join(r.data, "log.csv"))
}
