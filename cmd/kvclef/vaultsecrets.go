package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// warnOfOpenSecrets tells of files with what proves kvclef to a vault that others
// than its user can get at. They are used nevertheless: Kubernetes mounts a secret
// for everybody in the pod unless it is told otherwise.
func warnOfOpenSecrets(ctx context.Context, vaults []config.Vault, log *slog.Logger) {
	for _, vault := range vaults {
		c := vault.Credential
		for key, path := range map[string]string{
			"secret_file": c.SecretFile, "certificate_file": c.CertificateFile,
			"certificate_password_file": c.CertificatePasswordFile, "token_file": c.TokenFile,
		} {
			if path == "" {
				continue
			}
			if info, err := os.Stat(path); err == nil && config.OpenToOthers(info) {
				log.WarnContext(ctx, "Others can read or change what proves the signer to a vault: whoever does can sign without it; run chmod 600",
					"vault", vault.Name, "key", "credential."+key, "file", path, "mode", info.Mode().Perm().String())
			}
		}
	}
}
