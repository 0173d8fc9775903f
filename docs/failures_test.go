package docs

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/backend/keyvault"
)

// failures are ways to fail whose messages azure.md must quote. A fault of the
// sign operation shows when signing, the others when the vault is opened.
var failures = []struct {
	name   string
	op     emulator.Op
	fault  emulator.FaultKind
	change func(*keyvault.Config)
}{
	{name: "unknown host", change: func(c *keyvault.Config) {
		c.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "kv-prod.vault.azure.net", IsNotFound: true}}
		}
	}},
	{name: "unreachable", change: func(c *keyvault.Config) {
		c.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		}
	}},
	{name: "untrusted certificate", change: func(c *keyvault.Config) { c.RootCAs = x509.NewCertPool() }},
	{name: "wrong secret", change: func(c *keyvault.Config) { c.Credential.Secret = keyvault.NewSecret("not-the-secret") }},
	{name: "wrong client id", change: func(c *keyvault.Config) { c.Credential.ClientID = "00000000-0000-4000-8000-00000000dead" }},
	{name: "no RBAC role to list", op: emulator.OpList, fault: emulator.FaultForbiddenRBAC},
	{name: "firewall", op: emulator.OpList, fault: emulator.FaultForbiddenFirewall},
	{name: "HTML in front", op: emulator.OpList, fault: emulator.FaultForbiddenHTML},
	{name: "rejected token", op: emulator.OpList, fault: emulator.FaultUnauthorized},
	{name: "no such key", change: func(c *keyvault.Config) { c.Keys = []string{"treasury-typo"} }},
	{name: "no RBAC role to sign", op: emulator.OpSign, fault: emulator.FaultForbiddenRBAC},
	{name: "no access policy to sign", op: emulator.OpSign, fault: emulator.FaultForbiddenPolicy},
	{name: "disabled key", op: emulator.OpSign, fault: emulator.FaultKeyDisabled},
	{name: "throttled", op: emulator.OpSign, fault: emulator.FaultThrottled},
	{name: "server error", op: emulator.OpSign, fault: emulator.FaultServerError},
	{name: "wrong signature", op: emulator.OpSign, fault: emulator.FaultWrongSignature},
}

func TestFailuresAreQuoted(t *testing.T) {
	t.Parallel()
	quoted := quotations(pages(t)["azure.md"])
	for _, failure := range failures {
		t.Run(failure.name, func(t *testing.T) {
			t.Parallel()
			server := startVault(t, nil)
			message := failWith(t, server, failure.op, failure.fault, failure.change)
			message = strings.ReplaceAll(message, "treasury-typo", "treasury")
			checkQuoted(t, quoted, message)
		})
	}
}

// TestWarningsAreQuoted makes mistakes that Azure lets pass and looks for what
// Check says of them.
func TestWarningsAreQuoted(t *testing.T) {
	t.Parallel()
	quoted := quotations(pages(t)["azure.md"])
	mistakes := []emulator.KeyOptions{
		{Curve: "P-256"},
		{Curve: "RSA"},
		{Disabled: true},
		{Managed: true},
		{KeyOps: []string{"verify"}},
		{Expires: time.Now().Add(48 * time.Hour)},
		{Expires: time.Now().Add(-time.Hour)},
		{NotBefore: time.Now().Add(time.Hour)},
	}
	for _, options := range mistakes {
		server := startVault(t, &options)
		vault, err := keyvault.Open(t.Context(), vaultConfig(t, server))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(vault.Close)
		report := vault.Check(t.Context())
		if len(report.Warnings) == 0 {
			t.Errorf("no warning of %+v", options)
		}
		for _, warning := range report.Warnings {
			checkQuoted(t, quoted, warning)
		}
		for _, skipped := range report.Skipped {
			checkQuoted(t, quoted, skipped.Reason)
		}
	}
}

// startVault starts an emulator of the vault kv-prod with a key treasury.
func startVault(t *testing.T, options *emulator.KeyOptions) *emulator.Server {
	t.Helper()
	server, err := emulator.Start(t.Context(), emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if options == nil {
		options = &emulator.KeyOptions{}
	}
	if _, err := server.CreateKeyWith("kv-prod", "treasury", *options); err != nil {
		t.Fatal(err)
	}
	return server
}

func vaultConfig(t *testing.T, server *emulator.Server) keyvault.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(server.CAPEM()) {
		t.Fatal("the emulator has no CA")
	}
	return keyvault.Config{
		URL: server.VaultURL("kv-prod"), DialContext: server.DialContext, RootCAs: roots, Timeout: 2 * time.Second,
		Credential: keyvault.Credential{
			Kind: "client-secret", TenantID: server.TenantID(), ClientID: server.ClientID(), Secret: keyvault.NewSecret(server.ClientSecret()),
		},
	}
}

func checkQuoted(t *testing.T, quoted []*regexp.Regexp, message string) {
	t.Helper()
	if !slices.ContainsFunc(quoted, func(quote *regexp.Regexp) bool { return quote.MatchString(message) }) {
		t.Errorf("azure.md does not quote what is said of it:\n%s", message)
	}
}

// failWith makes a vault fail and returns what it says.
func failWith(t *testing.T, server *emulator.Server, op emulator.Op, fault emulator.FaultKind, change func(*keyvault.Config)) string {
	t.Helper()
	cfg := vaultConfig(t, server)
	if change != nil {
		change(&cfg)
	}
	if fault != 0 && op != emulator.OpSign {
		server.Inject(emulator.Fault{Op: op, Kind: fault})
	}
	vault, err := keyvault.Open(t.Context(), cfg)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "opening vault kv-prod: ")
	}
	defer vault.Close()
	if op != emulator.OpSign || len(vault.Accounts()) != 1 {
		t.Fatal("the vault opened as if nothing were wrong")
	}
	server.Inject(emulator.Fault{Op: op, Kind: fault})
	if _, err = vault.Sign(t.Context(), vault.Accounts()[0], common.HexToHash("0x01")); err == nil {
		t.Fatal("signed as if nothing were wrong")
	}
	return err.Error()
}

// quotations returns the messages that a page's tables quote, as patterns: an
// ellipsis stands for anything.
func quotations(page string) []*regexp.Regexp {
	var found []*regexp.Regexp
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, span := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(line, -1) {
			if !strings.Contains(span[1], " ") { // a word of the configuration
				continue
			}
			pattern := strings.ReplaceAll(regexp.QuoteMeta(span[1]), "…", ".+")
			pattern = regexp.MustCompile(`in \d+s$`).ReplaceAllString(pattern, `in \d+s`)
			found = append(found, regexp.MustCompile(`^(no token for vault kv-prod: )?`+pattern+`( \(AADSTS\d+\))?(: try again in \d+s)?$`))
		}
	}
	return found
}
