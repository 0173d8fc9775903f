package main

import (
	"context"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// loadPolicy loads the policy, if there is one. One that does not load, or may
// not be used, stops the start.
func (d *durable) loadPolicy(ctx context.Context, cfg *config.Config) error {
	if cfg.Rules.Policy == "" {
		return nil
	}
	file, err := d.admit(ctx, cfg, rules.PolicyFile)
	if err != nil {
		return err
	}
	_, err = loadPolicy(file)
	return err
}

// loadPolicy loads a policy that was read.
func loadPolicy(file rulesFile) (*policy.Policy, error) {
	return nil, usagef("%s: policies can't be loaded by this build", file.path)
}
