package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/keyvault"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
)

// searchInterval is how often an unknown address may cause the vaults to be
// read again.
const searchInterval = 10 * time.Second

// patience is how long the reading of the vaults, and a node, may last before the log
// says that it is still under way.
const patience = 3 * time.Second

// vaultSet is the open vaults, in the order of the configuration.
type vaultSet []*keyvault.Vault

// openVaults opens the configured vaults at the same time and reads their keys.
// One that can't be opened is an error: a signer that starts without a part of
// its accounts looks sound and is not. The others are tried all the same, so that whatever is
// wrong with them is told as well.
func openVaults(ctx context.Context, vaults []config.Vault, log *slog.Logger, watch *watch) (vaultSet, error) {
	warnOfOpenSecrets(ctx, vaults, log)
	configs := make([]keyvault.Config, len(vaults))
	for i, vault := range vaults {
		configs[i] = watch.vault(vaultConfig(vault, log))
	}
	return openConfigs(ctx, configs, log)
}

// openTools opens vaults for a command that ends by itself. What is read in the
// background would come too late for one that needs all versions of the keys.
func openTools(ctx context.Context, vaults []config.Vault, log *slog.Logger, complete bool) (vaultSet, error) {
	warnOfOpenSecrets(ctx, vaults, log)
	configs := make([]keyvault.Config, len(vaults))
	for i, vault := range vaults {
		configs[i] = vaultConfig(vault, log)
		configs[i].Complete = complete
	}
	return openConfigs(ctx, configs, log)
}

func openConfigs(ctx context.Context, configs []keyvault.Config, log *slog.Logger) (vaultSet, error) {
	defer sayWhenSlow(ctx, func(elapsed time.Duration) {
		log.InfoContext(ctx, "Still reading keys from the vaults", "elapsed", elapsed)
	})()
	opened, failures := make(vaultSet, len(configs)), make([]error, len(configs))
	var group sync.WaitGroup
	for i, cfg := range configs {
		group.Go(func() {
			vault, err := keyvault.Open(ctx, cfg)
			if err != nil {
				failures[i] = openingError(ctx, err)
				return
			}
			opened[i] = vault
		})
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		opened.close()
		return nil, err
	}
	return opened, nil
}

// openingError tells a vault that does not answer, or refuses, from a
// configuration that can't be meant: only a vault's failures have a type.
func openingError(ctx context.Context, err error) error {
	var failure *backend.Error
	if errors.As(err, &failure) || ctx.Err() != nil {
		return err
	}
	return &usageError{err}
}

// sayWhenSlow says now and then that something is still under way, until the
// function that it returns is called.
func sayWhenSlow(ctx context.Context, say func(elapsed time.Duration)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ticker := time.NewTicker(patience)
	go func() {
		defer ticker.Stop()
		for start := time.Now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				say(time.Since(start).Round(time.Second))
			}
		}
	}()
	return cancel
}

// close closes the vaults that are open.
func (s vaultSet) close() {
	for _, vault := range s {
		if vault != nil {
			vault.Close()
		}
	}
}

// keyring returns a keyring over the vaults.
func (s vaultSet) keyring() *backend.Keyring {
	vaults := make([]backend.Vault, len(s))
	for i, vault := range s {
		vaults[i] = vault
	}
	return backend.NewKeyring(searchInterval, vaults...)
}

// vaultConfig returns a vault of the configuration as its client takes it.
func vaultConfig(v config.Vault, log *slog.Logger) keyvault.Config {
	return keyvault.Config{
		Name:              v.Name,
		URL:               v.URL,
		CustomEndpoint:    v.CustomEndpoint,
		Authority:         v.Authority,
		Keys:              v.Keys,
		IncludeManaged:    v.IncludeManaged,
		CAFile:            v.CAFile,
		RequestsPerSecond: v.RequestsPerSecond,
		MaxInFlight:       v.MaxInFlight,
		MaxWaiting:        v.MaxWaiting,
		TryTimeout:        v.TryTimeout,
		Timeout:           v.Timeout,
		Logger:            log,
		Credential: keyvault.Credential{
			Kind:                       v.Credential.Kind,
			TenantID:                   v.Credential.TenantID,
			ClientID:                   v.Credential.ClientID,
			Secret:                     v.Credential.Secret,
			SecretFile:                 v.Credential.SecretFile,
			SecretEnv:                  v.Credential.SecretEnv,
			CertificateFile:            v.Credential.CertificateFile,
			CertificatePasswordFile:    v.Credential.CertificatePasswordFile,
			TokenFile:                  v.Credential.TokenFile,
			AdditionallyAllowedTenants: v.Credential.AdditionallyAllowedTenants,
		},
	}
}
