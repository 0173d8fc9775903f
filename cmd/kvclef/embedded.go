package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/kvclef/kvclef/backend"
	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/backend/keyvault"
)

// The embedded vault and its first key.
const (
	embeddedVault = "dev"
	embeddedKey   = "dev"
	embeddedState = "vault.json"
)

// embeddedOptions say what the embedded vault starts with.
type embeddedOptions struct {
	dataDir  string
	latency  time.Duration
	imported *ecdsa.PrivateKey // nil: none
	log      *slog.Logger
	watch    *watch // nil: nothing follows it
}

// embedded is a vault inside the process. The Azure clients are the real ones:
// only the connection and the certificates lead here instead of to Azure.
type embedded struct {
	server *emulator.Server
	vaults vaultSet
	log    *slog.Logger
	watch  *watch
}

// startEmbedded starts a vault that this machine alone can reach, and opens it.
// It holds at least one key then.
func startEmbedded(ctx context.Context, opts embeddedOptions) (*embedded, error) {
	state, err := stateFile(opts.dataDir)
	if err != nil {
		return nil, err
	}
	server, err := emulator.Start(ctx, emulator.Options{
		Vaults:    []emulator.VaultOptions{{Name: embeddedVault}},
		StateFile: state,
		Logger:    opts.log,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the embedded vault: %w", err)
	}
	e := &embedded{server: server, log: opts.log, watch: opts.watch}
	if e.vaults, err = e.open(ctx); err == nil {
		err = e.addKeys(ctx, opts.imported)
	}
	if err != nil {
		e.close()
		return nil, err
	}
	server.SetLatency(opts.latency) // from here on: nobody waits for a start
	return e, nil
}

// stateFile returns the file of the keys in a folder, which it makes.
func stateFile(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", usagef("--datadir: %w", err)
	}
	return filepath.Join(dir, embeddedState), nil
}

// addKeys puts the imported key into the vault, unless it holds it already, and
// makes a key if there is none.
func (e *embedded) addKeys(ctx context.Context, imported *ecdsa.PrivateKey) error {
	vault := e.vaults[0]
	accounts := vault.Accounts()
	if imported == nil {
		if len(accounts) > 0 {
			return nil
		}
		_, err := vault.Create(ctx, embeddedKey, false)
		return err
	}
	address := crypto.PubkeyToAddress(imported.PublicKey)
	if slices.ContainsFunc(accounts, func(a backend.Account) bool { return a.Address == address }) {
		return nil
	}
	_, err := vault.Import(ctx, "imported-"+strings.ToLower(address.Hex()[2:]), imported, false)
	return err
}

// open opens the vault with the clients that a vault in Azure is opened with.
func (e *embedded) open(ctx context.Context) (vaultSet, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(e.server.CAPEM())
	return openConfigs(ctx, []keyvault.Config{e.watch.vault(keyvault.Config{
		Name:              embeddedVault,
		URL:               e.server.VaultURL(embeddedVault),
		RequestsPerSecond: -1, // there is nobody to be spared
		DialContext:       e.server.DialContext,
		RootCAs:           roots,
		Logger:            e.log,
		Credential: keyvault.Credential{
			Kind:     "client-secret",
			TenantID: e.server.TenantID(), ClientID: e.server.ClientID(), Secret: keyvault.NewSecret(e.server.ClientSecret()),
		},
	})}, e.log)
}

// close stops the vault and its clients.
func (e *embedded) close() {
	e.vaults.close()
	if err := e.server.Close(); err != nil {
		e.log.Warn("Embedded vault not closed", "error", err)
	}
}
