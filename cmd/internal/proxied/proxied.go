// Package proxied runs the kvclef program in front of a node: an emulated vault with
// keys, a policy, the durable state and the audit log. It serves tests alone.
package proxied

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/devnet"
)

// vaultName is the name of the vault that keys are made in.
const vaultName = "dev"

// Accounts makes keys in the emulated vault, and returns their accounts.
func Accounts(vault *emulator.Server, count int) ([]common.Address, error) {
	accounts := make([]common.Address, count)
	for i := range accounts {
		key, err := vault.CreateKey(vaultName, fmt.Sprintf("payer-%d", i))
		if err != nil {
			return nil, err
		}
		accounts[i] = crypto.PubkeyToAddress(*key.Public)
	}
	return accounts, nil
}

// Build builds kvclef into a directory, as the Makefile does, and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "kvclef")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "github.com/kvclef/kvclef/cmd/kvclef") //nolint:gosec // the path is the test's own
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building kvclef: %w: %s", err, text)
	}
	return path, nil
}

// Config describes a kvclef in front of a node.
type Config struct {
	Kvclef string           // its path
	Dir    string           // an empty directory for all that it keeps; the caller removes it
	Vault  *emulator.Server // whose vault "dev" it signs with
	Node   string           // endpoint of the node
	NodeWS string           // for subscriptions, if Node is another; "" is none
	Policy string           // the text of its policy
	More   []string         // further settings of its section proxy, such as "node_timeout: 1s"
	Log    io.Writer        // what it prints; nil discards it
}

// Front is a kvclef in front of a node, which runs or does not.
type Front struct {
	cfg     Config
	config  string   // path of its configuration
	env     []string // of its process
	running *devnet.Proxy
}

// New writes the configuration, makes the state, and attests the policy. It starts
// nothing.
func New(ctx context.Context, cfg Config) (*Front, error) {
	f := &Front{
		cfg: cfg, config: filepath.Join(cfg.Dir, "kvclef.yaml"),
		env: []string{"HOME=" + cfg.Dir, "VAULT_SECRET=" + cfg.Vault.ClientSecret()},
	}
	policy, ca := filepath.Join(cfg.Dir, "policy.yaml"), filepath.Join(cfg.Dir, "ca.pem")
	for path, text := range map[string]string{policy: cfg.Policy, ca: string(cfg.Vault.CAPEM()), f.config: f.settings(policy, ca)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	for _, args := range [][]string{{"init"}, {"rules", "attest", policy}} {
		if _, err := f.Run(ctx, args...); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// settings is the configuration file.
func (f *Front) settings(policy, ca string) string {
	vault := f.cfg.Vault
	proxy := []string{"node: " + f.cfg.Node, "addr: 127.0.0.1", "port: 0", "poll_interval: 200ms"}
	if f.cfg.NodeWS != "" {
		proxy = append(proxy, "node_ws: "+f.cfg.NodeWS)
	}
	return fmt.Sprintf(`chainids: [%d]
datadir: %s
rules: {policy: %s}
proxy:
  %s
vaults:
  - name: dev
    url: https://%s
    custom_endpoint: true
    authority: https://%[5]s/
    ca_file: %s
    requests_per_second: -1
    credential: {kind: client-secret, tenant_id: %s, client_id: %s, secret_env: VAULT_SECRET}
log: {level: warn}
`, devnet.ChainID, f.DataDir(), policy, strings.Join(append(proxy, f.cfg.More...), "\n  "), vault.Addr(), ca, vault.TenantID(), vault.ClientID())
}

// Start starts kvclef, and returns when its proxy listens. It ends with ctx, or with
// Stop or Kill.
func (f *Front) Start(ctx context.Context) (err error) {
	f.running, err = devnet.StartProxy(ctx, f.cfg.Kvclef, f.env, f.cfg.Log, "proxy", "--config", f.config)
	return err
}

// Stop ends kvclef in good order.
func (f *Front) Stop() error { return f.running.Stop() }

// Kill ends kvclef as a power cut would.
func (f *Front) Kill() { f.running.Kill() }

// PID is the number of kvclef's process.
func (f *Front) PID() int { return f.running.PID() }

// URL is where the proxy listens, another after each start.
func (f *Front) URL() string { return f.running.URL() }

// WS is the same for WebSocket.
func (f *Front) WS() string { return "ws" + strings.TrimPrefix(f.running.URL(), "http") }

// DataDir is the folder of the state and the audit log.
func (f *Front) DataDir() string { return filepath.Join(f.cfg.Dir, "data") }

// AuditLog is the file of the audit log.
func (f *Front) AuditLog() string { return filepath.Join(f.DataDir(), "audit.log") }

// Run runs another command of kvclef with the same configuration, and returns what it
// prints. The error has what it complains of.
func (f *Front) Run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, f.cfg.Kvclef, append(args, "--config", f.config)...) //nolint:gosec // the test's own program
	command.Env = f.env
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return string(out), fmt.Errorf("kvclef %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return string(out), nil
}
