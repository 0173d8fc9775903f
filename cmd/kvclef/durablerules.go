package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefjs"
)

// loadFiles loads the policies and the rule file. What is wrong with one is told with what
// is wrong with the others, and with the audit log.
func (d *durable) loadFiles(ctx context.Context, cfg *config.Config) error {
	err := errors.Join(d.loadPolicy(ctx, cfg), d.loadRules(ctx, cfg), d.loadShadow(ctx, cfg))
	if err == nil {
		return nil
	}
	return errors.Join(err, d.checkAudit(ctx, cfg))
}

// loadRules loads the rule file, if there is one. One that does not load, or
// may not be used, stops the start.
func (d *durable) loadRules(ctx context.Context, cfg *config.Config) error {
	if cfg.Rules.File == "" {
		return nil
	}
	var err error
	if d.file, err = d.admit(ctx, cfg, rules.RuleFile); err != nil {
		return err
	}
	options := clefjs.Options{Storage: d.store, Logger: d.log, Timeout: cfg.Rules.Timeout, Room: clefjs.ServerRoom}
	d.ruleset, err = clefjs.Load(d.file.name(), d.file.source, options) //nolint:contextcheck // the time limit bounds it
	if err != nil {
		return &usageError{err}
	}
	d.log.InfoContext(ctx, "Rule file loaded", "file", d.file.path, "sha256", fmt.Sprintf("%x", d.file.sha256), "functions", d.ruleset.Functions())
	return nil
}

// admit reads the file of a kind that the configuration names. It must be
// attested where that is wanted.
func (d *durable) admit(ctx context.Context, cfg *config.Config, kind rules.FileKind) (rulesFile, error) {
	path, flag := cfg.Rules.File, "rules"
	if kind == rules.PolicyFile {
		path, flag = cfg.Rules.Policy, "policy"
	}
	path, err := expandHome(path, flag)
	if err != nil {
		return rulesFile{}, err
	}
	file, err := readRules(kind, path)
	if err != nil {
		return rulesFile{}, err
	}
	if d.options.attested {
		return file, d.checkAttestation(ctx, file, cfg.Rules.AttestKey)
	}
	d.log.WarnContext(ctx, "Rules used without attestation, for development", "kind", kind.String(), "file", path)
	return file, nil
}

// checkAttestation compares a file with the attestation of its kind, which must
// be signed by the pinned key if there is one.
func (d *durable) checkAttestation(ctx context.Context, file rulesFile, pinned string) error {
	attestation, found, err := d.store.Attestation(ctx, file.kind)
	if err != nil {
		return err
	}
	return d.judgeAttestation(file, attestation, found, pinned)
}

// judgeAttestation compares a file with an attestation that was found.
func (d *durable) judgeAttestation(file rulesFile, attestation rules.Attestation, found bool, pinned string) error {
	switch {
	case !found:
		return usagef("the %v %s is not attested: read it, then run %s (its SHA-256 is %x)", file.kind, file.path, d.attestCommand(file, pinned), file.sha256)
	case attestation.SHA256 != file.sha256:
		return usagef("the %v %s is not the one that was attested: its SHA-256 is %x, that of %s is %x: read it, then run %s",
			file.kind, file.path, file.sha256, attestedFile(attestation), attestation.SHA256, d.attestCommand(file, pinned))
	case pinned == "":
		return nil
	}
	if err := attestation.Verify(common.HexToAddress(pinned)); err != nil {
		return usagef("rules.attest_key: %w: read %s, then run %s", err, file.path, d.attestCommand(file, pinned))
	}
	return nil
}

func attestedFile(a rules.Attestation) string {
	if a.File == "" {
		return "the one attested on " + shownTime(a.Time)
	}
	return fmt.Sprintf("%q, attested on %s,", a.File, shownTime(a.Time))
}

// attestCommand is the command that attests a file.
func (d *durable) attestCommand(file rulesFile, pinned string) string {
	key := ""
	if pinned != "" {
		key = " --attest-key " + pinned
	}
	return fmt.Sprintf("kvclef rules attest%s%s %s", placeFlags(d.options.place, d.dir), key, shellQuote(file.path))
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
