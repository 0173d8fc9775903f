//go:build unix

package keyvault

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipesAreNoFiles: a file that never answers keeps nobody waiting.
func TestPipesAreNoFiles(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	service := Credential{Kind: "client-secret", TenantID: "6b766b65-7900-4000-8000-000000000001", ClientID: "6b766b65-7900-4000-8000-000000000002"}
	authorities, secret := Config{URL: "https://kv.vault.azure.net", CAFile: pipe, Credential: service}, Config{URL: "https://kv.vault.azure.net", Credential: service}
	authorities.Credential.Secret, secret.Credential.SecretFile = NewSecret("s"), pipe
	for _, cfg := range []Config{authorities, secret} {
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), pipe+" is no file") {
			t.Errorf("%v", err)
		}
	}
}
