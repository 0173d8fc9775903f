package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestHostedPolicyAndThePinnedKey: where attestations must be signed, a policy that
// nobody signed does not come in by way of a hosted service.
func TestHostedPolicyAndThePinnedKey(t *testing.T) {
	t.Parallel()
	const allowing = "version: 1\nrules:\n  - {id: all, effect: allow, match: {call: \"relayDeposit(address,uint256)\"}}\n"
	runner := &hostRunner{signing: &signing{cfg: config.Default(), state: new(durable), decider: rules.NoRules{}}}
	service := hosting.Service{ID: "s1", PolicySource: []byte(allowing)}
	by, err := runner.judging(service)
	if err != nil || !by.decides {
		t.Fatalf("%v, %v", by.decides, err)
	}
	if got := by.signatures([4]byte{0xa2, 0x58, 0x7a, 0xdc}); !slices.Equal(got, []string{"relayDeposit(address,uint256)"}) {
		t.Errorf("validation knows %q by the service's own policy", got)
	}
	runner.signing.cfg.Rules.AttestKey = "0x7156526fbd7a3c72969b54f64e42c10fbb768c8a"
	if _, err := runner.judging(service); err == nil || !strings.Contains(err.Error(), "rules.attest_key") {
		t.Errorf("%v", err)
	}
	service.PolicySource = nil
	if by, err := runner.judging(service); err != nil || by.decider != (rules.NoRules{}) || by.signatures([4]byte{0xa2, 0x58, 0x7a, 0xdc}) != nil {
		t.Errorf("%v, %v", by.decider, err)
	}
	service.PolicySource = []byte("version: 1\nrules:\n  - {id: js, effect: allow, match: {kind: text}, js: rules.js}\n")
	runner.signing.cfg.Rules.AttestKey = ""
	if _, err := runner.judging(service); err == nil || !strings.Contains(err.Error(), "rules.js") {
		t.Errorf("%v", err)
	}
}

// TestScopedRecords: what one service keeps is not there for another.
func TestScopedRecords(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	one, other := scopedRecords{all, "hosted/a/"}, scopedRecords{all, "hosted/b/"}
	if err := one.ChangeRecords(t.Context(), rules.Change{Key: "tx/1", New: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if value, err := other.Record(t.Context(), "tx/1"); err != nil || value != nil {
		t.Errorf("%q, %v", value, err)
	}
	var keys []string
	if err := one.EachRecord(t.Context(), "tx/", func(key string, _ []byte) error { keys = append(keys, key); return nil }); err != nil || len(keys) != 1 || keys[0] != "tx/1" {
		t.Errorf("%q, %v", keys, err)
	}
	if err := one.ChangeRecords(t.Context(), rules.Change{New: []byte("x")}); err == nil {
		t.Error("a record without a key is kept")
	}
}

// heldBy notes what is held.
type heldBy struct {
	rules.Ledger
	counters []string
}

func (h *heldBy) Hold(_ context.Context, charges []rules.Charge) (rules.HoldID, error) {
	for _, charge := range charges {
		h.counters = append(h.counters, charge.Counter)
	}
	return 1, nil
}

// TestScopedLedger: limits of the same id in two policies are two limits.
func TestScopedLedger(t *testing.T) {
	t.Parallel()
	noted := new(heldBy)
	charges := []rules.Charge{{Counter: "daily/value"}}
	if _, err := (scopedLedger{noted, "s1/"}).Hold(t.Context(), charges); err != nil || noted.counters[0] != "s1/daily/value" || charges[0].Counter != "daily/value" {
		t.Errorf("%v, %q, %q", err, noted.counters, charges[0].Counter)
	}
	if _, err := (scopedLedger{noted, "s1/"}).Hold(t.Context(), []rules.Charge{{}}); err == nil {
		t.Error("a charge without a counter is counted")
	}
}

// TestOneVaultInManySpellings: the accounts of a vault send on a chain for one
// service, however its address is written.
func TestOneVaultInManySpellings(t *testing.T) {
	t.Parallel()
	of := func(url string) hosting.Configuration {
		return hosting.Configuration{Vault: config.Vault{URL: url}}
	}
	for _, url := range []string{
		"https://kv-prod.vault.azure.net", "https://kv-prod.vault.azure.net/", "https://kv-prod.vault.azure.net//",
		"https://KV-PROD.vault.azure.net:443", "https://kv-prod.vault.azure.net:443/", "HTTPS://kv-prod.vault.azure.net:",
		"kv-prod.vault.azure.net", " https://kv-prod.vault.azure.net",
	} {
		runner := &hostRunner{used: map[string]string{useOfVault(&config.Vault{URL: "kv-prod.vault.azure.net"}, 5): "the process's own"}}
		first, second := new(hostedService), new(hostedService)
		if err := runner.claim(hosting.Service{ID: "a"}, of("https://kv-prod.vault.azure.net"), []uint64{1}, first); err != nil {
			t.Fatal(err)
		}
		if err := runner.claim(hosting.Service{ID: "b"}, of(url), []uint64{7, 1}, second); err == nil || !strings.Contains(err.Error(), "the service a already") {
			t.Errorf("%q on chain 1: %v", url, err)
		}
		if err := runner.claim(hosting.Service{ID: "b"}, of(url), []uint64{5}, second); err == nil || !strings.Contains(err.Error(), "the process's own already") {
			t.Errorf("%q on chain 5: %v", url, err)
		}
		if err := runner.claim(hosting.Service{ID: "b"}, of(url), []uint64{7}, second); err != nil {
			t.Errorf("%q on chain 7: %v", url, err)
		}
		if err := runner.claim(hosting.Service{ID: "c"}, of("https://kv-prod.vault.azure.cn"), []uint64{1}, second); err != nil {
			t.Errorf("another vault: %v", err)
		}
	}
}

// TestAStartThatPanics gives back what it has taken: the vault's place is free.
func TestAStartThatPanics(t *testing.T) {
	t.Parallel()
	vault, err := emulator.Start(t.Context(), emulator.Options{Vaults: []emulator.VaultOptions{{Name: "kv-prod"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authorities, vault.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	configuration := hosting.Configuration{Vault: config.Vault{
		Name: "production", URL: "https://" + vault.Addr(), CustomEndpoint: true, Authority: "https://" + vault.Addr(), CAFile: authorities,
		Credential: config.Credential{Kind: "client-secret", TenantID: vault.TenantID(), ClientID: vault.ClientID(), Secret: keyvault.NewSecret(vault.ClientSecret())},
	}}
	cfg := config.Default()
	cfg.Proxy.Node = "http://127.0.0.1:1"
	records, err := openHostedRecords(t.Context(), memory.NewRecords(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runner := (&signing{cfg: cfg, state: new(durable), decider: rules.NoRules{}, log: slog.New(slog.DiscardHandler)}).newHostRunner(
		records, func(extapi.Signer) extapi.Signer { panic("a defect") })
	func() {
		defer func() {
			if said := recover(); said != nil && said != "a defect" {
				t.Errorf("it panicked with %v", said)
			}
		}()
		_, err := runner.Start(t.Context(), hosting.Service{ID: "s1", Details: config.HostedServiceDetails{ChainIDs: []uint64{5}}}, configuration)
		t.Fatalf("it ended with %v", err)
	}()
	if len(runner.used) != 0 {
		t.Errorf("still taken: %v", runner.used)
	}
}

// TestPathsOfHostedServices: what is nearly the path of a service does not reach the
// process's own.
func TestPathsOfHostedServices(t *testing.T) {
	t.Parallel()
	pages := hostedPages(new(hosting.Registry))
	for target, hosted := range map[string]bool{
		"/services/abc":      true,
		"/services/abc/":     true,
		"/services/":         true,
		"/services":          true,
		"//services/abc":     true,
		"/./services/abc":    true,
		"/x/../services/abc": true,
		"/Services/abc":      true,
		"/SERVICES/abc":      true,
		"/%73ervices/abc":    true,
		"/services//abc":     true,
		"/services/../":      true,
		"/":                  false,
		"":                   false,
		"/servicesabc":       false,
		"/x/services/abc":    false,
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1"+target, http.NoBody)
		if page := pages(request); (page != nil) != hosted {
			t.Errorf("%q: %v", target, page)
		}
	}
}

// TestANodeThatDoesNotAnswerTheDoor: who has no time any more does not wait for the
// connecting of another.
func TestANodeThatDoesNotAnswerTheDoor(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	node, err := newNodeClient(&config.Proxy{Node: "ws://" + listener.Addr().String(), NodeTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	patient, impatient := make(chan error, 1), make(chan error, 1)
	go func() { patient <- node.CallContext(t.Context(), new(string), "eth_chainId") }()
	conn, err := listener.Accept() // and nothing more: the handshake waits
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		ended, end := context.WithCancel(t.Context())
		end()
		impatient <- node.CallContext(ended, new(string), "eth_chainId")
		node.close()
		impatient <- node.CallContext(t.Context(), new(string), "eth_chainId")
	}()
	for _, want := range []error{context.Canceled, errNodeClosed} {
		select {
		case err := <-impatient:
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		case err := <-patient:
			t.Fatalf("it was waited for, until %v", err)
		}
	}
	_ = conn.Close()
	if err := <-patient; err == nil {
		t.Error("an answer of nobody")
	}
}
