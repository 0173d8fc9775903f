package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestSignalsWhileTheVaultHangs ends a signer in the middle of a signature that
// the vault does not make: one signal waits within the bound, a second does not
// wait at all.
func TestSignalsWhileTheVaultHangs(t *testing.T) {
	b := newBlackBox(t)
	for _, tt := range []struct {
		name, shutdown string
		signals        int
	}{
		{"one signal and a short bound", "200ms", 1},
		{"two signals and a long bound", "10m", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.vault.SetLatency(0)
			ipc := filepath.Join(b.dir, "signer.ipc")
			config := b.write(t, "kvclef.yaml", "vaults: [{url: https://kv-prod.vault.azure.net}]\nlimits: {shutdown_timeout: "+tt.shutdown+"}\n")
			cmd := b.command(context.WithoutCancel(t.Context()), b.azureVariables(), "dev", "--approve-all", "--config", config, "--http=false", "--ipcpath", ipc)
			cmd.Stdout, cmd.Stderr = b.output, b.output
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			t.Cleanup(func() { _ = cmd.Process.Kill() })

			account := awaitAccount(t, ipc)
			remove := b.vault.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultSlow, Delay: 10 * time.Minute})
			defer remove()
			b.vault.ResetCounts()
			go hangingSignature(t.Context(), ipc, account)
			await(t, "the vault to be asked", func() bool { return b.vault.Count(emulator.OpSign) > 0 })
			for range tt.signals {
				if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if tt.signals > 1 {
					await(t, "the socket to be closed", func() bool { return !answers(ipc) })
				}
			}
			select {
			case err := <-ended:
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != exitFailure {
					t.Errorf("ended with %v, want exit code %d: a request was left", err, exitFailure)
				}
			case <-time.After(patienceInTests):
				t.Errorf("still there\n%s", b.output)
			}
		})
	}
}

// awaitAccount returns the first account once the signer answers.
func awaitAccount(t *testing.T, ipc string) string {
	t.Helper()
	var accounts []string
	await(t, "the signer to answer", func() bool {
		client, err := rpc.DialContext(t.Context(), ipc)
		if err != nil {
			return false
		}
		defer client.Close()
		return client.CallContext(t.Context(), &accounts, "account_list") == nil && len(accounts) > 0
	})
	return accounts[0]
}

// hangingSignature asks for a signature that does not come.
func hangingSignature(ctx context.Context, ipc, account string) {
	client, err := rpc.DialContext(ctx, ipc)
	if err != nil {
		return // the vault is not asked then, and the test says so
	}
	defer client.Close()
	_ = client.CallContext(ctx, nil, "account_signData", "text/plain", account, "0x00")
}

func answers(ipc string) bool {
	client, err := rpc.Dial(ipc)
	if err == nil {
		client.Close()
	}
	return err == nil
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for limit := time.After(patienceInTests); !done(); {
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
