package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// loadShadow loads the policy that is tried beside what decides.
func (d *durable) loadShadow(ctx context.Context, cfg *config.Config) error {
	if cfg.Rules.Shadow == "" {
		return nil
	}
	path, err := expandHome(cfg.Rules.Shadow, "shadow")
	if err != nil {
		return err
	}
	file, err := readRules(rules.PolicyFile, path)
	if err != nil {
		return err
	}
	candidate, err := loadPolicy(file)
	if err != nil {
		return err
	}
	d.shadow = &policy.Shadow{Candidate: candidate, Ledger: memory.NewLedger(time.Now), Logger: d.log}
	d.log.InfoContext(ctx, "Candidate policy judges beside, and decides nothing", "file", file.path, "sha256", fmt.Sprintf("%x", file.sha256))
	return nil
}

// shadowed puts the candidate beside what decides, if there is one.
func (d *durable) shadowed(rule rules.Rule) rules.Rule {
	if d.shadow == nil {
		return rule
	}
	d.shadow.Rule = rule
	return d.shadow
}

// shadowNote says at the end what came of the candidate, "" if there is none.
func (d *durable) shadowNote() string {
	if d.shadow == nil {
		return ""
	}
	judged, differed := d.shadow.Judged()
	return fmt.Sprintf("the candidate policy with SHA-256 %x judged %d requests, and would have decided %d otherwise", d.shadow.Candidate.Hash(), judged, differed)
}
