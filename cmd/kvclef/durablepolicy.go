package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// loadPolicy loads the policy, if there is one. One that does not load, or may
// not be used, stops the start.
func (d *durable) loadPolicy(ctx context.Context, cfg *config.Config) (err error) {
	if cfg.Rules.Policy == "" {
		return nil
	}
	if d.inForce, err = d.readPolicy(ctx, cfg); err != nil {
		return err
	}
	file := d.inForce.file
	d.log.InfoContext(ctx, "Policy loaded", "file", file.path, "sha256", fmt.Sprintf("%x", file.sha256), "rules", len(d.inForce.policy.Rules()))
	return nil
}

// readPolicy reads the policy, which must be attested where that is wanted.
func (d *durable) readPolicy(ctx context.Context, cfg *config.Config) (read policyInForce, err error) {
	if read.file, err = d.admit(ctx, cfg, rules.PolicyFile); err != nil {
		return policyInForce{}, err
	}
	if read.policy, err = loadPolicy(read.file); err != nil {
		return policyInForce{}, err
	}
	if err := knowPeople(cfg, read.policy); err != nil {
		return policyInForce{}, &usageError{err}
	}
	return read, nil
}

// loadPolicy loads a policy that was read.
func loadPolicy(file rulesFile) (*policy.Policy, error) {
	loaded, err := policy.Load(file.path, file.source, policy.Options{})
	if err != nil {
		return nil, brokenPolicy(file.path, err)
	}
	return loaded, nil
}

// signatures returns those of methods with a selector that the policy in force names.
func (d *durable) signatures(selector [4]byte) []string {
	if p := d.current.Load(); p != nil {
		return p.Signatures(selector)
	}
	return nil
}

// joinRules gives the policy the rule file that its rules hand over to. Where
// there is a policy, nothing else is put to the rule file.
func (d *durable) joinRules(ctx context.Context, _ *config.Config) (err error) {
	if d.inForce.policy == nil {
		return nil
	}
	d.inForce.policy, err = d.join(ctx, d.inForce)
	return err
}

// join returns a policy with the rule file that its rules hand over to: the one
// that is loaded, or none.
func (d *durable) join(ctx context.Context, p policyInForce) (*policy.Policy, error) {
	used := ""
	if d.ruleset != nil {
		used = d.file.path
	}
	if err := p.checkScripts(used); err != nil {
		return nil, err
	}
	scripts := make(map[string]rules.Rule)
	for name := range p.policy.Scripts() {
		scripts[name] = d.ruleset
	}
	if d.ruleset != nil && len(scripts) == 0 {
		d.log.WarnContext(ctx, "The rule file is never asked: no rule of the policy hands over to it by js", "file", d.file.path)
	}
	return p.policy.WithScripts(scripts)
}

// checkScripts refuses a policy whose rules hand over to another rule file than the one
// that is used; "" is none.
func (p policyInForce) checkScripts(used string) error {
	var problems []error
	wanted := p.policy.Scripts()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		path := policytest.ScriptPath(p.file.path, name)
		switch {
		case used == "":
			problems = append(problems, usagef("rule %s of the policy %s hands over to the rule file %s: give it, by --rules %s", wanted[name], p.file.path, name, shellQuote(path)))
		case !samePath(path, used):
			problems = append(problems, usagef("rule %s of the policy %s hands over to the rule file %s, which is %s, and --rules gives %s: they must be the same, and one file alone can be used",
				wanted[name], p.file.path, name, path, used))
		}
	}
	return errors.Join(problems...)
}

// samePath reports whether two paths are spelled for one place.
func samePath(a, b string) bool {
	first, errA := filepath.Abs(a)
	second, errB := filepath.Abs(b)
	return errA == nil && errB == nil && first == second
}
