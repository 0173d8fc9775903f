package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/cmd/kvclef/health"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/clefjs"
)

// examination looks for everything that would keep a signer from starting, so that an
// operator sees it at once. It reads files, and opens, changes and asks nothing.
type examination struct {
	cfg          *config.Config
	options      durableOptions
	loopbackOnly bool
	log          *slog.Logger
	problems     []error
}

// examine joins what is wrong already with all else that is. Nothing else is looked at
// twice: what is sound here is opened next, with the same checks.
func examine(ctx context.Context, e examination, already error) error {
	e.log = slog.New(slog.DiscardHandler) // what is good is logged when it is opened
	e.add(already)
	e.listeners()
	e.front()
	e.metrics()
	e.console()
	for _, vault := range e.cfg.Vaults {
		e.add(vaultConfig(vault, e.log).Check())
	}
	if e.cfg.FourByteFile != "" {
		_, err := extapi.NewValidator(e.cfg.FourByteFile)
		e.add(err)
	}
	e.rules(ctx, e.data())
	if err := errors.Join(e.problems...); err != nil {
		return &usageError{err}
	}
	return nil
}

// add keeps what is wrong, each by itself. That files of TLS are missing the
// configuration has told by their keys.
func (e *examination) add(err error) {
	if err == nil {
		return
	}
	for _, one := range several(err) {
		if !errors.Is(one, extapi.ErrNoTLSFiles) {
			e.problems = append(e.problems, one)
		}
	}
}

// listeners looks at what the signer listens on.
func (e *examination) listeners() {
	s := &signing{cfg: e.cfg, loopbackOnly: e.loopbackOnly, log: e.log}
	listen, err := s.serverConfig()
	if err != nil {
		e.add(err)
		return
	}
	if listen.HTTPAddr != "" {
		tokens, err := openTokens(&e.cfg.Listeners.HTTP.JWT, "listeners.http.jwt", e.log)
		e.add(err)
		if tokens != nil {
			tokens.Close()
		}
		if e.cfg.Listeners.HTTP.JWT.Enabled() {
			listen.Tokens = tokens // for the look at the address: callers need one
		}
	}
	if listen.IPCPath != "" || listen.HTTPAddr != "" {
		e.add(listen.Check())
	}
}

// front looks at what stands in front of a node.
func (e *examination) front() {
	cfg := &e.cfg.Proxy
	if !cfg.Enabled() {
		return
	}
	addr := hostPort(cfg.Addr, cfg.Port)
	if !e.loopbackOnly {
		e.add(extapi.CheckReach("proxy", addr, cfg.TLS.CertFile != "", cfg.TLS.ClientCAFile != "" || cfg.JWT.Enabled()))
	}
	_, stop, err := frontCallers(cfg, e.log)
	e.add(err)
	if stop != nil {
		stop()
	}
	_, err = cfg.Endpoint()
	e.add(err)
	_, err = cfg.NodeHeaders()
	e.add(err)
}

// metrics looks at what those read who watch.
func (e *examination) metrics() {
	cfg := &e.cfg.Metrics
	if !cfg.Enabled {
		return
	}
	_, err := openTLS(cfg.TLS.TLS(), "metrics.tls", e.log)
	e.add(err)
	e.add(health.CheckReach(cfg.Listen(), cfg.TLS.ClientCAFile != "", cfg.Plain))
}

// console looks at the page on which people approve.
func (e *examination) console() {
	cfg := &e.cfg.Approvals
	if !cfg.Enabled() || !cfg.Console.Enabled {
		return
	}
	if files := cfg.Console.TLS.TLS(); files != (config.TLS{}) {
		if _, err := extapi.NewTLSKeeper(tlsConfig(files), e.log); err != nil {
			e.add(fmt.Errorf("approvals.console.tls: %w", err))
		}
	}
	if cfg.Console.OIDC.Issuer != "" {
		_, err := cfg.Console.OIDC.ClientSecret()
		e.add(err)
	}
}

// data looks at the data directory, and returns what the files in it are known by.
func (e *examination) data() (known *durable) {
	known = &durable{options: e.options, log: e.log}
	if e.options.path == "" || e.options.make {
		return known
	}
	dir, err := datadir.Open(e.options.path)
	if err != nil {
		e.add(err)
		return known
	}
	known.dir = dir
	if p := &e.cfg.Store.Postgres; p.Enabled() {
		_, err := p.ReadDSN()
		_, unnamed := e.cfg.ReplicaName()
		e.add(errors.Join(err, unnamed, ownState(dir)))
		return known
	}
	if _, err := os.Stat(dir.Store()); errors.Is(err, os.ErrNotExist) {
		e.add(noState(dir))
	}
	return known
}

// rules looks at the policies and the rule file. No rule file is run: what is not
// attested never is.
func (e *examination) rules(ctx context.Context, known *durable) {
	r := &e.cfg.Rules
	if r.Policy != "" {
		if file, ok := e.read(rules.PolicyFile, r.Policy, "policy"); ok {
			loaded, err := loadPolicy(file)
			if err == nil {
				err = knowPeople(e.cfg, loaded)
			}
			e.file(ctx, known, file, err)
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
			e.file(ctx, known, file, clefjs.Check(file.name(), file.source))
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

// file adds what is wrong with a file: that it is not the one that was attested, or
// else what is wrong in it. Attestations are looked at only if something is wrong: the
// state that has them is about to be opened otherwise.
func (e *examination) file(ctx context.Context, known *durable, file rulesFile, wrong error) {
	if wrong == nil && len(e.problems) == 0 || !e.options.attested || known.dir.Path() == "" {
		e.add(wrong)
		return
	}
	held, err := inspectState(ctx, e.cfg, known.dir, false)
	if err != nil {
		e.add(wrong) // what is wrong with the state is told once it is all
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
