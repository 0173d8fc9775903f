package main

import (
	"context"
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
	if d.policyFile, err = d.admit(ctx, cfg, rules.PolicyFile); err != nil {
		return err
	}
	if d.policy, err = loadPolicy(d.policyFile); err != nil {
		return err
	}
	d.log.InfoContext(ctx, "Policy loaded", "file", d.policyFile.path, "sha256", fmt.Sprintf("%x", d.policyFile.sha256), "rules", len(d.policy.Rules()))
	return nil
}

// loadPolicy loads a policy that was read.
func loadPolicy(file rulesFile) (*policy.Policy, error) {
	loaded, err := policy.Load(file.path, file.source, policy.Options{})
	if err != nil {
		return nil, brokenPolicy(file.path, err)
	}
	return loaded, nil
}

// joinRules gives the policy the rule file that its rules hand over to. Where
// there is a policy, nothing else is put to the rule file.
func (d *durable) joinRules(ctx context.Context, _ *config.Config) error {
	if d.policy == nil {
		return nil
	}
	scripts := make(map[string]rules.Rule)
	wanted := d.policy.Scripts()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		path := policytest.ScriptPath(d.policyFile.path, name)
		switch {
		case d.ruleset == nil:
			return usagef("rule %s of the policy %s hands over to the rule file %s: give it, by --rules %s", wanted[name], d.policyFile.path, name, shellQuote(path))
		case !samePath(path, d.file.path):
			return usagef("rule %s of the policy %s hands over to the rule file %s, which is %s, and --rules gives %s: they must be the same, and one file alone can be used",
				wanted[name], d.policyFile.path, name, path, d.file.path)
		}
		scripts[name] = d.ruleset
	}
	if d.ruleset != nil && len(scripts) == 0 {
		d.log.WarnContext(ctx, "The rule file is never asked: no rule of the policy hands over to it by js", "file", d.file.path)
	}
	joined, err := d.policy.WithScripts(scripts)
	if err != nil {
		return err
	}
	d.policy = joined
	return nil
}

func samePath(a, b string) bool {
	first, errA := filepath.Abs(a)
	second, errB := filepath.Abs(b)
	return errA == nil && errB == nil && first == second
}
