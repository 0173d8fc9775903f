package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/kvclef/kvclef/backend/emulator"
)

// blackBox is the finished binary and what it believes to be Azure. Nothing in
// the binary knows of the test: the environment alone leads it there.
type blackBox struct {
	binary string
	dir    string
	vault  *emulator.Server
	env    []string
	output *lockedBuffer // all that every process has said
}

const federatedToken = "token.of.the-pod"

func newBlackBox(t *testing.T, more ...string) *blackBox {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the binary")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "kvclef")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building kvclef: %v\n%s", err, out)
	}
	vaults := []emulator.VaultOptions{{Name: "kv-prod"}}
	for _, name := range more {
		vaults = append(vaults, emulator.VaultOptions{Name: name})
	}
	vault, err := emulator.Start(t.Context(), emulator.Options{Vaults: vaults, FederatedToken: federatedToken})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := vault.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := vault.CreateKey("kv-prod", "treasury"); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, vault.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return &blackBox{
		binary: binary, dir: dir, vault: vault, output: new(lockedBuffer),
		env: []string{"HOME=" + dir, "HTTPS_PROXY=" + vault.ProxyURL(), "SSL_CERT_FILE=" + ca},
	}
}

// azureVariables are the ordinary ones, with the client's secret.
func (b *blackBox) azureVariables() []string {
	return []string{
		"AZURE_TENANT_ID=" + b.vault.TenantID(), "AZURE_CLIENT_ID=" + b.vault.ClientID(), "AZURE_CLIENT_SECRET=" + b.vault.ClientSecret(),
	}
}

func (b *blackBox) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.binary, args...)
	cmd.Dir = b.dir
	cmd.Env = slices.Concat(b.env, env)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patienceInTests
	return cmd
}

// run runs a command to its end and returns what it printed.
func (b *blackBox) run(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	var stdout bytes.Buffer
	cmd := b.command(t.Context(), env, args...)
	cmd.Stdout, cmd.Stderr = &stdout, b.output
	err := cmd.Run()
	_, _ = b.output.Write(stdout.Bytes())
	return stdout.String(), err
}

// start starts a signer and returns when it answers; stop ends it and checks
// that it ends well.
func (b *blackBox) start(t *testing.T, ipc string, env []string, args ...string) (stop func()) {
	t.Helper()
	cmd := b.command(context.WithoutCancel(t.Context()), env, append(args, "--ipcpath", ipc)...)
	cmd.Stdout, cmd.Stderr = b.output, b.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	limit := time.After(patienceInTests)
	for {
		if client, err := rpc.DialContext(t.Context(), ipc); err == nil {
			client.Close()
			return func() {
				if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), <-ended); err != nil {
					t.Errorf("kvclef did not end well: %v", err)
				}
			}
		}
		select {
		case <-again.C:
		case err := <-ended:
			t.Fatalf("kvclef ended at its start: %v\n%s", err, b.output)
		case <-limit:
			t.Fatalf("kvclef does not answer\n%s", b.output)
		}
	}
}

// TestBlackBox uses the finished binary with an Azure that is reached by its
// genuine names, through a proxy, with every check of the SDK on.
func TestBlackBox(t *testing.T) {
	b := newBlackBox(t)
	const vault = "https://kv-prod.vault.azure.net"
	ipc := filepath.Join(b.dir, "signer.ipc")

	t.Run("dev signs with the vault's key", func(t *testing.T) {
		b.vault.ResetCounts()
		stop := b.start(t, ipc, b.azureVariables(), "dev", "--approve-all", "--vault", vault, "--http=false", "--loglevel", "debug")
		defer stop()
		sender, err := signTx(ipc, ipc, "1337")
		if err != nil {
			t.Fatal(err)
		}
		if sender == (common.Address{}) || b.vault.Count(emulator.OpSign) != 1 {
			t.Errorf("sender %s after %d signatures of the vault", sender, b.vault.Count(emulator.OpSign))
		}
	})
	t.Run("serve lists and refuses", func(t *testing.T) {
		b.vault.ResetCounts()
		stop := b.start(t, ipc, b.azureVariables(), "serve", "--chainid", "10", "--vault", vault, "--loglevel", "debug")
		defer stop()
		_, err := signTx(ipc, ipc, "10")
		if err == nil || err.Error() != "request denied: no rules are configured, so nothing is signed" {
			t.Errorf("got %v", err)
		}
		if n := b.vault.Count(emulator.OpSign); n != 0 {
			t.Errorf("the vault was asked for %d signatures", n)
		}
	})
	t.Run("account_new makes a key", func(t *testing.T) {
		config := b.write(t, "new.yaml", "vaults: [{name: prod, url: "+vault+"}]\naccount_new: {vault: prod, prefix: app}\n")
		stop := b.start(t, ipc, b.azureVariables(), "dev", "--approve-all", "--config", config, "--http=false")
		defer stop()
		client, err := rpc.DialContext(t.Context(), ipc)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		var made common.Address
		var listed []common.Address
		if err := errors.Join(client.CallContext(t.Context(), &made, "account_new"), client.CallContext(t.Context(), &listed, "account_list")); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(listed, made) {
			t.Errorf("made %s, listed %v", made, listed)
		}
	})
	t.Run("credentials", b.credentials)
	b.noSecrets(t)
}

// credentials checks the vault with each kind of credential that needs nothing
// but files and variables.
func (b *blackBox) credentials(t *testing.T) {
	ids := fmt.Sprintf("tenant_id: %s, client_id: %s", b.vault.TenantID(), b.vault.ClientID())
	secret := b.write(t, "secret", b.vault.ClientSecret()+"\n")
	token := b.write(t, "token", federatedToken)
	for _, tt := range []struct {
		credential string
		env        []string
	}{
		{"{kind: client-secret, " + ids + ", secret_file: " + secret + "}", nil},
		{"{kind: client-secret, " + ids + ", secret_env: PROD_SECRET}", []string{"PROD_SECRET=" + b.vault.ClientSecret()}},
		{"{kind: environment}", b.azureVariables()},
		{"{kind: default}", b.azureVariables()},
		{"{kind: workload-identity, " + ids + ", token_file: " + token + "}", nil},
		{"{kind: workload-identity}", []string{
			"AZURE_TENANT_ID=" + b.vault.TenantID(), "AZURE_CLIENT_ID=" + b.vault.ClientID(), "AZURE_FEDERATED_TOKEN_FILE=" + token,
		}},
	} {
		config := b.write(t, "kvclef.yaml", "vaults:\n  - url: https://kv-prod.vault.azure.net\n    credential: "+tt.credential+"\n")
		out, err := b.run(t, tt.env, "check", "--config", config, "--loglevel", "debug")
		if err != nil || !strings.Contains(out, "treasury/") {
			t.Errorf("%s: %v\n%s", tt.credential, err, out)
		}
	}
	config := b.write(t, "kvclef.yaml", "vaults:\n  - url: https://kv-prod.vault.azure.net\n    credential: {kind: client-secret, "+ids+", secret_env: PROD_SECRET}\n")
	if out, err := b.run(t, []string{"PROD_SECRET=hunter2"}, "check", "--config", config, "--loglevel", "debug"); err == nil {
		t.Errorf("a wrong secret is accepted:\n%s", out)
	}
}

// noSecrets looks through all that was said, at the level debug.
func (b *blackBox) noSecrets(t *testing.T) {
	said := b.output.String()
	if !strings.Contains(said, "level=DEBUG") || !strings.Contains(said, "level=INFO") {
		t.Error("the processes have said too little for this to prove anything")
	}
	for _, secret := range []string{b.vault.ClientSecret(), federatedToken, "hunter2", "Bearer ", "eyJ"} {
		if i := strings.Index(said, secret); i >= 0 {
			t.Errorf("the output shows the secret %q: …%s…", secret, said[max(0, i-80):min(len(said), i+80)])
		}
	}
}

func (b *blackBox) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
