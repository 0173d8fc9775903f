package main

import (
	"context"
	"errors"
	"os"

	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefjs"
	"github.com/kvclef/kvclef/rules/store/postgres"
)

// data looks at the data directory, and returns what the files in it are known by: a
// durable without a directory if there is no sound state.
func (e *examination) data(ctx context.Context) (known *durable) {
	known = &durable{options: e.options, log: e.log}
	if e.options.path == "" || e.options.make {
		return known
	}
	var problem error
	if e.cfg.Store.Postgres.Enabled() {
		problem = e.database()
		e.add(problem)
	}
	dir, err := datadir.Open(e.options.path)
	if err != nil {
		e.add(missingDir(ctx, e.cfg, err))
		return known
	}
	if e.cfg.Store.Postgres.Enabled() {
		own := ownState(dir)
		e.add(own)
		if problem == nil && own == nil {
			known.dir = dir
		}
		return known
	}
	if _, err := os.Stat(dir.Store()); errors.Is(err, os.ErrNotExist) {
		e.add(noState(ctx, e.cfg, dir))
		return known
	}
	known.dir = dir
	return known
}

// database looks at how the one that holds the state is reached, which it is not.
func (e *examination) database() error {
	p := &e.cfg.Store.Postgres
	dsn, err := p.ReadDSN()
	if err != nil {
		dsn = "host=localhost" // for the look at the rest
	}
	_, unnamed := e.cfg.ReplicaName()
	// What the configuration says of the replica, it has looked at itself.
	return errors.Join(err, unnamed, postgres.Options{DSN: dsn, Schema: p.Schema, Replica: "any"}.Check())
}

// rules looks at the policies and the rule file. No rule file is run: what is not
// attested never is.
func (e *examination) rules() {
	r := &e.cfg.Rules
	if r.Policy != "" {
		if file, ok := e.read(rules.PolicyFile, r.Policy, "policy"); ok {
			e.attested = append(e.attested, file)
			if loaded, err := loadPolicy(file); err != nil {
				e.add(err)
			} else {
				e.add(errors.Join(knowPeople(e.cfg, loaded), e.scripts(policyInForce{file: file, policy: loaded})))
			}
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
			e.attested = append(e.attested, file)
			e.add(clefjs.Check(file.name(), file.source))
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
