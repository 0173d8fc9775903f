package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefjs"
)

// ruleFile is the rule file that decides.
type ruleFile struct {
	path   string
	sha256 common.Hash
}

// loadRules loads the rule file, if there is one. One that does not load, or
// may not be used, stops the start.
func (d *durable) loadRules(ctx context.Context, cfg *config.Config) error {
	if cfg.Rules.File == "" {
		return nil
	}
	path, err := expandHome(cfg.Rules.File, "rules")
	if err != nil {
		return err
	}
	source, err := readRules(path)
	if err != nil {
		return err
	}
	d.file = ruleFile{path: path, sha256: sha256.Sum256(source)}
	if d.options.attested {
		if err := d.checkAttestation(ctx, cfg.Rules.AttestKey); err != nil {
			return err
		}
	} else {
		d.log.WarnContext(ctx, "Rule file used without attestation, for development", "file", path)
	}
	options := clefjs.Options{Storage: d.store, Logger: d.log, Timeout: cfg.Rules.Timeout}
	d.ruleset, err = clefjs.Load(filepath.Base(path), source, options) //nolint:contextcheck // the time limit bounds it
	if err != nil {
		return &usageError{err}
	}
	d.log.InfoContext(ctx, "Rule file loaded", "file", path, "sha256", fmt.Sprintf("%x", d.file.sha256), "functions", d.ruleset.Functions())
	return nil
}

// checkAttestation compares the rule file with its attestation, which must be
// signed by the pinned key if there is one.
func (d *durable) checkAttestation(ctx context.Context, pinned string) error {
	attestation, found, err := d.store.Attestation(ctx)
	switch {
	case err != nil:
		return err
	case !found:
		return usagef("the rule file %s is not attested: read it, then run %s (its SHA-256 is %x)", d.file.path, d.attestCommand(pinned), d.file.sha256)
	case attestation.SHA256 != d.file.sha256:
		return usagef("the rule file %s is not the one that was attested: its SHA-256 is %x, that of %s is %x: read it, then run %s",
			d.file.path, d.file.sha256, attestedFile(attestation), attestation.SHA256, d.attestCommand(pinned))
	case pinned == "":
		return nil
	}
	if err := attestation.Verify(common.HexToAddress(pinned)); err != nil {
		return usagef("rules.attest_key: %w: read %s, then run %s", err, d.file.path, d.attestCommand(pinned))
	}
	return nil
}

func attestedFile(a rules.Attestation) string {
	if a.File == "" {
		return "the one attested on " + shownTime(a.Time)
	}
	return fmt.Sprintf("%q, attested on %s,", a.File, shownTime(a.Time))
}

// attestCommand is the command that attests the rule file.
func (d *durable) attestCommand(pinned string) string {
	key := ""
	if pinned != "" {
		key = " --attest-key " + pinned
	}
	return fmt.Sprintf("kvclef rules attest --datadir %s%s %s", shellQuote(d.dir.Path()), key, shellQuote(d.file.path))
}

// starting tells the rule file where the signer is about to listen: nothing is
// asked of a file that has not prepared itself. The port is the configured one,
// also if that is 0 for any.
func (d *durable) starting(ctx context.Context, open addresses) error {
	if d.ruleset == nil {
		return nil
	}
	info := clefjs.Info{IPC: open.ipc, Version: extapi.Version}
	if open.http != "" {
		info.HTTP = open.httpURL() + "/"
	}
	if err := d.ruleset.Start(ctx, info); err != nil {
		return fmt.Errorf("starting the rule file: %w", err)
	}
	return nil
}
