package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kvclef/kvclef/cmd/internal/measure"
)

// What kvclef prints.
var (
	kvclefHTTP  = regexp.MustCompile(`(?m)^HTTP +(http://127\.0\.0\.1:\d+)$`)
	kvclefTotal = regexp.MustCompile(`msg="Rule file console".*"total (\d+)"`)
)

// vault is the emulator in a process of its own: what it takes is not the
// signer's.
type vault struct {
	addr string
	env  map[string]string // what it exports for Azure's SDKs
	cfg  string            // its entry of a configuration
}

// startVault starts an emulator with a key that takes no time.
func startVault(ctx context.Context, dir, program string) (*vault, *measure.Process, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("making a folder for the vault: %w", err)
	}
	free, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("finding a port for the vault: %w", err)
	}
	v := &vault{addr: free.Addr().String(), env: make(map[string]string)}
	if err := free.Close(); err != nil {
		return nil, nil, fmt.Errorf("finding a port for the vault: %w", err)
	}
	variables := filepath.Join(dir, "vault.env")
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "emulator", "--addr", v.addr, //nolint:gosec // the caller's own program
		"--key-vault", "kv-bench", "--datadir", filepath.Join(dir, "keys"), "--env-file", variables, "--loglevel", "warn")
	// It stands for another machine, and takes no more of this one than it must.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	process, err := measure.Start(ctx, filepath.Join(dir, "output"), cmd)
	if err != nil {
		return nil, nil, err
	}
	var text []byte
	err = process.Await(ctx, func(context.Context) (err error) { text, err = os.ReadFile(variables); return err })
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); found {
			v.env[name] = value
		}
	}
	v.cfg = fmt.Sprintf(`vaults:
  - name: kv-bench
    url: https://%s
    custom_endpoint: true
    authority: https://%[1]s/
    ca_file: %s
    requests_per_second: -1
    credential: {kind: client-secret, tenant_id: %s, client_id: %s, secret_env: BENCH_SECRET}
`, v.addr, v.env["SSL_CERT_FILE"], v.env["AZURE_TENANT_ID"], v.env["AZURE_CLIENT_ID"])
	if err == nil {
		err = v.makeKey(ctx, dir, program)
	}
	if err != nil {
		_ = process.Stop() // what went wrong before counts
		return nil, nil, err
	}
	return v, process, nil
}

// makeKey makes the key that all kvclefs sign with.
func (v *vault) makeKey(ctx context.Context, dir, program string) error {
	cfg := filepath.Join(dir, "keys.yaml")
	if err := os.WriteFile(cfg, []byte("chainids: [1337]\n"+v.cfg), 0o600); err != nil {
		return fmt.Errorf("writing a configuration: %w", err)
	}
	return v.command(ctx, program, dir, "keys", "create", "bench", "--config", cfg)
}

// command runs a command of kvclef to its end.
func (v *vault) command(ctx context.Context, program, home string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the caller's own program
	cmd.Env = v.environment(home)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kvclef %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return nil
}

// environment is all that a kvclef is given.
func (v *vault) environment(home string) []string {
	return []string{"HOME=" + home, "BENCH_SECRET=" + v.env["AZURE_CLIENT_SECRET"]}
}

// startKvclef sets up a kvclef as it is in production, with an attested policy or
// rule file, and starts it.
func startKvclef(ctx context.Context, program, dir string, v *vault, name string, file ruleFile) (*contender, error) {
	home := filepath.Join(dir, name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("making a folder for kvclef: %w", err)
	}
	text, err := file.text()
	if err != nil {
		return nil, err
	}
	path, cfg := filepath.Join(home, string(file)), filepath.Join(home, "kvclef.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, fmt.Errorf("writing kvclef's rules: %w", err)
	}
	key := "file"
	if file == policy {
		key = "policy"
	}
	c := &contender{name: name, ipc: filepath.Join(home, "kvclef.ipc")}
	settings := fmt.Sprintf("chainids: [%d]\ndatadir: %s\nrules: {%s: %s}\nlisteners:\n  ipc: {path: %s}\n  http: {enabled: true, addr: 127.0.0.1, port: 0}\nmetrics: {enabled: true, port: 0}\n%s",
		chain, filepath.Join(home, "data"), key, path, c.ipc, v.cfg)
	if err := os.WriteFile(cfg, []byte(settings), 0o600); err != nil {
		return nil, fmt.Errorf("writing a configuration: %w", err)
	}
	for _, args := range [][]string{{"init", "--config", cfg}, {"rules", "attest", "--config", cfg, path}} {
		if err := v.command(ctx, program, home, args...); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "serve", "--config", cfg) //nolint:gosec // the caller's own program
	cmd.Env = v.environment(home)
	process, err := measure.Start(ctx, filepath.Join(home, "output"), cmd)
	if err != nil {
		return nil, err
	}
	c.process = process
	c.total = func(ctx context.Context) (string, error) {
		if key == "policy" {
			return v.policyTotal(ctx, program, home, cfg, path)
		}
		return c.printedTotal(ctx, kvclefTotal)
	}
	if c, err = c.await(ctx, kvclefHTTP); err != nil {
		return nil, err
	}
	err = process.Await(ctx, func(context.Context) (err error) { c.metrics, err = process.Printed(kvclefMetrics); return err })
	if err != nil {
		_ = process.Stop() // what went wrong before counts
		return nil, err
	}
	return c, nil
}

// policyTotal asks kvclef what is counted of the policy's limit.
func (v *vault) policyTotal(ctx context.Context, program, home, cfg, path string) (string, error) {
	cmd := exec.CommandContext(ctx, program, "policy", "limits", path, "--config", cfg, "--json") //nolint:gosec // the caller's own program
	cmd.Env = v.environment(home)
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kvclef policy limits: %w", err)
	}
	var limits []struct {
		Used json.Number `json:"used"`
	}
	if err := json.Unmarshal(text, &limits); err != nil || len(limits) != 1 {
		return "", fmt.Errorf("kvclef policy limits printed %q, want one limit: %w", text, err)
	}
	return limits[0].Used.String(), nil
}
