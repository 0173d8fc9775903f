package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/console"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/approval/sheet"
)

// serveConsole opens the page on which people approve, where it is on. The stop
// closes it; votes under way are counted.
func (s *signing) serveConsole(ctx context.Context, signer extapi.Signer) (stop func(context.Context) error, err error) {
	if s.state.approvals == nil || !s.cfg.Approvals.Console.Enabled {
		return func(context.Context) error { return nil }, nil
	}
	cfg, err := s.consoleConfig(signer)
	if err != nil {
		return nil, err
	}
	server, err := console.New(cfg)
	if err != nil {
		return nil, usagef("approvals.console: %w", err)
	}
	s.state.passkeys.OnRemoved(server.SignOut)
	if err := server.Start(ctx); err != nil {
		return nil, portTaken(err)
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
		defer cancel()
		return server.Shutdown(ctx)
	}, nil
}

// consoleConfig returns what the page shows, and to whom.
func (s *signing) consoleConfig(signer extapi.Signer) (console.Config, error) {
	cfg, err := consoleSite(&s.cfg.Approvals, s.log)
	if err != nil {
		return cfg, err
	}
	cfg.Tickets, cfg.Passkeys = s.state.approvals, s.state.passkeys
	cfg.Names = func(t *approval.Ticket) (sheet.Names, map[string]string) { return s.state.namesOf(t, signer) }
	cfg.Accounts = func() []rules.Account { return signer.Accounts() }
	cfg.Vaults, cfg.Limits = s.vaultHealth, (&consoleLimits{state: s.state}).uses
	if s.state.audit != nil {
		cfg.Head = s.state.audit.Head
	}
	return cfg, nil
}

// consoleSite returns where the page is, and who signs in.
func consoleSite(a *config.Approvals, log *slog.Logger) (console.Config, error) {
	c := &a.Console
	cfg := console.Config{People: make(map[string]console.Person, len(a.People)), Origin: c.Origin(), Addr: hostPort(c.Addr, c.Port), Logger: log}
	for name, person := range a.People {
		cfg.People[name] = console.Person{OIDC: person.OIDC}
	}
	var errTLS, errOIDC error
	if tls := c.TLS.TLS(); tls != (config.TLS{}) {
		if cfg.TLS, errTLS = extapi.NewTLSKeeper(tlsConfig(tls), log); errTLS != nil {
			errTLS = &usageError{fmt.Errorf("approvals.console.tls: %w", errTLS)}
		}
	}
	if c.OIDC.Issuer != "" {
		cfg.OIDC = &console.OIDC{Issuer: c.OIDC.Issuer, ClientID: c.OIDC.ClientID, GroupsClaim: c.OIDC.GroupsClaim, Group: c.OIDC.Group}
		cfg.OIDC.ClientSecret, errOIDC = keptLine("approvals.console.oidc.client_secret_file", c.OIDC.ClientSecretFile, c.OIDC.ClientSecret, log)
	}
	return cfg, errors.Join(errTLS, errOIDC)
}

// vaultHealth tells how the vaults are, as far as it is known.
func (s *signing) vaultHealth(context.Context) []console.VaultHealth {
	all := make([]console.VaultHealth, len(s.vaults))
	for i, vault := range s.vaults {
		all[i] = console.VaultHealth{Name: vault.Name(), Healthy: vault.Answers(), Accounts: len(vault.Accounts())}
		if i < len(s.cfg.Vaults) && s.cfg.Vaults[i].Name == vault.Name() {
			all[i].URL = s.cfg.Vaults[i].URL
		}
	}
	return all
}
