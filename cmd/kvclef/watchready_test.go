package main

import (
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// TestReadyForHostedServices: a signer without vaults and rules of its own is ready if it
// is there for hosted services, which bring both, and not otherwise.
func TestReadyForHostedServices(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*config.Config)
		ready  bool
	}{
		"hosted services alone": {func(*config.Config) {}, true},
		"no key file":           {func(c *config.Config) { c.Proxy.HostingKeyFile = "" }, false},
		"no node":               {func(c *config.Config) { c.Proxy.Node = "" }, false},
		"a vault of its own":    {func(c *config.Config) { c.Vaults = []config.Vault{{Name: "own"}} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			cfg.Proxy.Node, cfg.Proxy.HostingKeyFile = "http://localhost:8545", "/hosting.key"
			test.change(cfg)
			s := &signing{cfg: cfg, state: new(durable)}
			for _, check := range s.checks(keyringSigner{vaultSet(nil).keyring()})() {
				if check.Name != "accounts" && check.Name != "policy" {
					continue
				}
				if err := check.Look(t.Context()); (err == nil) != test.ready {
					t.Errorf("%s: %v", check.Name, err)
				}
			}
		})
	}
}
