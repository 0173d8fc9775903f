package emulator_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend/emulator"
)

// TestNPMClient drives the emulator with Azure's client for JavaScript. It needs
// Node and npm, and fails without them: -short leaves it out.
func TestNPMClient(t *testing.T) {
	if testing.Short() {
		t.Skip("needs node, npm and a package registry")
	}
	dir := installNPM(t)
	for _, tc := range []struct {
		name    string
		flavor  emulator.Flavor
		genuine bool // genuine names through the proxy, all checks on; else by address
	}{
		{"vault by its genuine name", emulator.KeyVault, true},
		{"managed HSM by its genuine name", emulator.ManagedHSM, true},
		{"vault by address", emulator.KeyVault, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, emulator.Options{Vaults: []emulator.VaultOptions{{Name: "treasury", Flavor: tc.flavor}}})
			out := runNode(t, dir, npmEnvironment(t, s, tc.genuine))
			lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
			checkReport(t, lines[len(lines)-1])
			if n := s.Count(emulator.OpSign); n != 4 { // one of them refused
				t.Errorf("%d sign requests", n)
			}
		})
	}
}

// installNPM copies the package and its lock to a directory of its own, so that
// the source tree stays clean, and installs exactly what the lock says.
func installNPM(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "npm"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci (install Node 20 with npm, or use -short): %v\n%s", err, out)
	}
	return dir
}

func npmEnvironment(t *testing.T, s *emulator.Server, genuine bool) []string {
	t.Helper()
	env := append(withoutProxy(os.Environ()),
		"NODE_EXTRA_CA_CERTS="+caFile(t, s),
		"AZURE_TENANT_ID="+s.TenantID(), "AZURE_CLIENT_ID="+s.ClientID(), "AZURE_CLIENT_SECRET="+s.ClientSecret(),
	)
	if genuine {
		return append(env, "VAULT_URL="+s.VaultURL("treasury"), "HTTPS_PROXY="+s.ProxyURL())
	}
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return append(env, "VAULT_URL=https://localhost:"+port, "AUTHORITY_HOST=https://localhost:"+port)
}

func runNode(t *testing.T, dir string, env []string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "acceptance.mjs")
	cmd.Dir, cmd.Env = dir, env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s%s", err, out, stderr.Bytes())
	}
	return out
}

// checkReport verifies once more, by a third implementation, what Node verified.
func checkReport(t *testing.T, report []byte) {
	t.Helper()
	var entries []struct{ ID, X, Y, Digest, Signature string }
	if err := json.Unmarshal(report, &entries); err != nil {
		t.Fatalf("report %q: %v", report, err)
	}
	if len(entries) != 3 {
		t.Errorf("%d signatures reported", len(entries))
	}
	for _, e := range entries {
		b := map[string][]byte{}
		for name, text := range map[string]string{"x": e.X, "y": e.Y, "digest": e.Digest, "signature": e.Signature} {
			var err error
			if b[name], err = base64.RawURLEncoding.DecodeString(text); err != nil {
				t.Fatal(err)
			}
		}
		public := append(append([]byte{4}, b["x"]...), b["y"]...)
		if !crypto.VerifySignature(public, b["digest"], lowS(b["signature"])) {
			t.Errorf("the signature by %s does not verify", e.ID)
		}
	}
}
