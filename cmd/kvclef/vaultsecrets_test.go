//go:build unix

package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// TestOpenSecretsAreWarnedOf, by the file's name and never by what is in it.
func TestOpenSecretsAreWarnedOf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("hunter2"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var log bytes.Buffer
	warnOfOpenSecrets(t.Context(), []config.Vault{
		{Name: "a", Credential: config.Credential{SecretFile: file("closed", 0o600)}},
		{Name: "b", Credential: config.Credential{SecretFile: file("open", 0o644)}},
		{Name: "c", Credential: config.Credential{CertificateFile: file("shared.pem", 0o640), CertificatePasswordFile: filepath.Join(dir, "missing")}},
		{Name: "d"},
	}, slog.New(slog.NewTextHandler(&log, nil)))
	said := log.String()
	if strings.Count(said, "level=WARN") != 2 || !strings.Contains(said, "vault=b") || !strings.Contains(said, "vault=c") || strings.Contains(said, "hunter2") {
		t.Error(said)
	}
}
