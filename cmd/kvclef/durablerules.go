package main

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
)

// loadedRules is a rule file that decides.
type loadedRules interface {
	rules.Rule
	Close()
}

// ruleFile is a rule file as it was read.
type ruleFile struct {
	path   string
	sha256 common.Hash
}

// loadRules refuses a rule file: none decides yet.
func (d *durable) loadRules(_ context.Context, cfg *config.Config) error {
	if cfg.Rules.File != "" {
		return usagef("rules.file: rule files do not decide yet")
	}
	return nil
}

// started tells a rule file where the signer listens.
func (d *durable) started(context.Context, addresses) error { return nil }
