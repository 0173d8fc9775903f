package main

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefjs"
	"github.com/kvclef/kvclef/rules/store"
)

// data looks at the data directory, and returns what the files in it are known by: a
// durable without a directory if there is no sound state.
func (e *examination) data() (known *durable) {
	known = &durable{options: e.options, log: e.log}
	if e.options.path == "" || e.options.make {
		return known
	}
	dir, err := datadir.Open(e.options.path)
	if err != nil {
		e.add(missingDir(e.cfg, err))
		return known
	}
	if p := &e.cfg.Store.Postgres; p.Enabled() {
		_, err := p.ReadDSN()
		_, unnamed := e.cfg.ReplicaName()
		err = errors.Join(err, unnamed, ownState(dir))
		e.add(err)
		if err == nil {
			known.dir = dir
		}
		return known
	}
	if _, err := os.Stat(dir.Store()); errors.Is(err, os.ErrNotExist) {
		e.add(noState(dir, e.cfg.Place))
		return known
	}
	known.dir = dir
	return known
}

// rules looks at the policies and the rule file. No rule file is run: what is not
// attested never is.
func (e *examination) rules(ctx context.Context, known *durable) {
	e.held = sync.OnceValues(func() (*store.Summary, error) {
		summary, _, err := lookAt(ctx, e.cfg, known.dir, false)
		return summary, err
	})
	r := &e.cfg.Rules
	if r.Policy != "" {
		if file, ok := e.read(rules.PolicyFile, r.Policy, "policy"); ok {
			loaded, err := loadPolicy(file)
			if err == nil {
				err = errors.Join(knowPeople(e.cfg, loaded), e.scripts(policyInForce{file: file, policy: loaded}))
			}
			e.file(known, file, err)
		}
	}
	if r.Shadow != "" {
		if file, ok := e.read(rules.PolicyFile, r.Shadow, "shadow"); ok {
			_, err := loadPolicy(file)
			e.add(err)
		}
	}
	if r.File != "" {
		if file, ok := e.read(rules.RuleFile, r.File, "rules"); ok {
			e.file(known, file, clefjs.Check(file.name(), file.source))
		}
	}
}

func (e *examination) read(kind rules.FileKind, path, flag string) (rulesFile, bool) {
	path, err := expandHome(path, flag)
	if err != nil {
		e.add(err)
		return rulesFile{}, false
	}
	file, err := readRules(kind, path)
	e.add(err)
	return file, err == nil
}

// scripts looks whether a policy hands over to the rule file that is given.
func (e *examination) scripts(p policyInForce) error {
	file := e.cfg.Rules.File
	if file != "" {
		var err error
		if file, err = expandHome(file, "rules"); err != nil {
			return nil //nolint:nilerr // it is told when the rule file is read
		}
	}
	return p.checkScripts(file)
}

// file adds what is wrong with a file: that it is not the one that was attested, or
// else what is wrong in it. If a signer is started next, attestations are looked at only
// if something is wrong: the state that has them is about to be opened otherwise.
func (e *examination) file(known *durable, file rulesFile, wrong error) {
	opened := wrong == nil && len(e.problems) == 0 && !e.alone
	if opened || !e.options.attested || known.dir.Path() == "" {
		e.add(wrong)
		return
	}
	held, err := e.held()
	if err != nil {
		e.add(wrong)
		e.noSummary(err)
		return
	}
	attestation := held.Attestation
	if file.kind == rules.PolicyFile {
		attestation = held.PolicyAttestation
	}
	found := attestation != nil
	if !found {
		attestation = new(rules.Attestation)
	}
	if err := known.judgeAttestation(file, *attestation, found, e.cfg.Rules.AttestKey); err != nil {
		wrong = err
	}
	e.add(wrong)
}

// noSummary tells why the state can't be read, unless it is opened next, which tells it. A
// database that does not answer is no mistake of the configuration.
func (e *examination) noSummary(err error) {
	if !e.alone {
		return
	}
	var usage *usageError
	if err = stateError(err); errors.As(err, &usage) {
		e.add(err)
		return
	}
	e.unread = err
}
