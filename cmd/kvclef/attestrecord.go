package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// attestor keeps an attestation: the store of a data directory, or the signer
// that has it open.
type attestor interface {
	Attest(ctx context.Context, attestation rules.Attestation) error
	Close() error
}

// running is a signer that runs.
type running struct{ *admin.Client }

// Close does nothing: each question has a connection of its own.
func (running) Close() error { return nil }

// attest signs an attestation if that is wanted, and keeps it. The data
// directory is looked at first, so that nothing is signed in vain.
func (p *program) attest(c *cli.Context, cfg *config.Config, attestation rules.Attestation) (err error) {
	into, runs, err := p.attestor(c.Context, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	if err := p.signAttestation(c, cfg, &attestation); err != nil {
		return err
	}
	if err := into.Attest(c.Context, attestation); err != nil {
		return fmt.Errorf("recording the attestation: %w", err)
	}
	if runs && attestation.Kind == rules.PolicyFile {
		p.sayf("kvclef: a signer runs on this data directory: it uses this policy after kvclef policy reload%s", cfg.Place)
	} else if runs {
		p.sayf("kvclef: a signer runs on this data directory: it keeps the rule file that it started with until it is started again")
	}
	return p.printAttestation(c, attestation)
}

// attestor opens what keeps attestations. A store is made for a folder of dev
// alone: a mistyped path must not become a data directory.
func (p *program) attestor(ctx context.Context, cfg *config.Config) (into attestor, runs bool, err error) {
	path, err := dataDir(cfg)
	if err != nil {
		return nil, false, err
	}
	dir, err := datadir.Open(path)
	if err != nil {
		return nil, false, &usageError{missingDir(ctx, cfg, err)}
	}
	client, err := admin.Connect(ctx, dir.AdminSocket())
	if err == nil {
		return running{client}, true, nil
	}
	if !errors.Is(err, admin.ErrNotRunning) {
		return nil, false, err
	}
	if isDevFolder(dir) && !cfg.Store.Postgres.Enabled() {
		if err := bolt.Create(dir.Store()); err != nil {
			return nil, false, err
		}
		p.sayf("kvclef: %s is a folder of kvclef dev: made the store in it", path)
	}
	state, err := openStateStore(ctx, cfg, dir, slog.New(slog.DiscardHandler), storeWatch{})
	if err != nil {
		return nil, false, err
	}
	return state, false, nil
}

// isDevFolder reports whether a folder holds the keys of an embedded vault, and
// no store yet.
func isDevFolder(dir datadir.Dir) bool {
	_, vault := os.Stat(filepath.Join(dir.Path(), embeddedState))
	_, store := os.Stat(dir.Store())
	return vault == nil && errors.Is(store, fs.ErrNotExist)
}

// printAttestation prints what was attested and, if it is signed, the address
// to pin.
func (p *program) printAttestation(c *cli.Context, a rules.Attestation) error {
	if c.Bool("json") {
		return p.printJSON(a)
	}
	text := fmt.Sprintf("SHA-256    %x\n", a.SHA256)
	if a.File != "" {
		text += fmt.Sprintf("File       %s\n", a.File)
	}
	if a.Key != nil {
		text += fmt.Sprintf("Signed by  %s\n\nPin this address in the configuration, if it is not there yet:\n  rules: {attest_key: %q}\n", a.Key.Hex(), a.Key.Hex())
	}
	return p.printf("%s", text)
}
