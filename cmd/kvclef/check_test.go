package main

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/backend/keyvault"
)

// TestCheckFailsWithoutTheRightToSign: check is what an operator's script asks
// before a start.
func TestCheckFailsWithoutTheRightToSign(t *testing.T) {
	server, err := emulator.Start(t.Context(), emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if _, err := server.CreateKey("kv-prod", "treasury"); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(server.CAPEM())
	vault, err := keyvault.Open(t.Context(), keyvault.Config{
		URL: server.VaultURL("kv-prod"), DialContext: server.DialContext, RootCAs: roots,
		Credential: keyvault.Credential{
			Kind: "client-secret", TenantID: server.TenantID(), ClientID: server.ClientID(), Secret: keyvault.NewSecret(server.ClientSecret()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vault.Close)
	if err := mayNotSign(vault.Check(t.Context())); err != nil {
		t.Errorf("with the right to sign: %v", err)
	}
	allow := server.Inject(emulator.Fault{Op: emulator.OpSign, Kind: emulator.FaultForbiddenRBAC})
	defer allow()
	err = mayNotSign(vault.Check(t.Context()))
	if err == nil || !strings.Contains(err.Error(), "may not sign with treasury (1 of 1 accounts)") {
		t.Errorf("without the right to sign: %v", err)
	}
}

// TestCheckOfADamagedState: what no start gets over is wrong however often it is tried.
func TestCheckOfADamagedState(t *testing.T) {
	for _, damaged := range []string{"state.db", "audit.log"} {
		p := prepare(t, soundRules, nil)
		if damaged == "state.db" {
			flip(t, p.dir.Store(), `"file":"rules.js"`)
		} else {
			p.write(t, p.dir.AuditLog(), "{\"seq\":1}\n")
		}
		var said bytes.Buffer
		args := []string{"kvclef", "check", "--datadir", p.dir.Path(), "--rules", p.cfg.Rules.File, "--vault", "https://kv-prod.vault.azure.net", "--credential", "managed-identity"}
		if code := run(t.Context(), args, strings.NewReader(""), &said, &said); code != exitUsage || !strings.Contains(said.String(), damaged) {
			t.Errorf("%s: exit code %d\n%s", damaged, code, said.String())
		}
	}
}
