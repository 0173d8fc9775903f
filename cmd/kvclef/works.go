package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// maxNamed is how many of the rules that can't work a warning names.
const maxNamed = 5

// idle tells what of a policy can't work with what a signer has: it is refused, which
// nobody would know before the first request. Accounts are those of all vaults.
func idle(cfg *config.Config, loaded *policy.Policy, accounts []rules.Account) (warnings []string) {
	has := make(map[common.Address]bool, len(accounts))
	for _, account := range accounts {
		has[account.Address] = true
	}
	var missing, chains []string
	told := make(map[common.Address]bool)
	for _, need := range loaded.Needs() {
		for _, address := range need.Accounts {
			if !has[address] && !told[address] {
				told[address] = true
				missing = append(missing, fmt.Sprintf("%s (rule %s, line %d)", strings.TrimSpace(loaded.AccountName(address)+" "+address.Hex()), need.Rule, need.Line))
			}
		}
		here := func(id uint64) bool { return slices.Contains(cfg.ChainIDs, id) }
		if len(cfg.ChainIDs) > 0 && need.Chains != nil && !slices.ContainsFunc(need.Chains, here) { // without ids it takes the node's
			chains = append(chains, fmt.Sprintf("rule %s (line %d) wants %s", need.Rule, need.Line, idList(need.Chains)))
		}
	}
	if len(missing) > 0 {
		warnings = append(warnings, fmt.Sprintf("the policy %s names accounts that no vault has, so that nothing is signed with them: %s", loaded.Name(), some(missing)))
	}
	if len(chains) > 0 {
		warnings = append(warnings, fmt.Sprintf("the policy %s has rules for other chains than %s of --chainid, whose transactions are refused: %s", loaded.Name(), idList(cfg.ChainIDs), some(chains)))
	}
	return append(warnings, unserved(cfg, loaded, accounts)...)
}

// unserved tells what of a policy can't work with a configuration, whichever accounts its
// rules name.
func unserved(cfg *config.Config, loaded *policy.Policy, accounts []rules.Account) []string {
	return slices.Concat(strangers(cfg, loaded), uncancellable(cfg, loaded, accounts), nobodyApproves(cfg, loaded))
}

// nobodyApproves tells of a policy that refers to people where there are none. A user
// interface (--stdio-ui) stands for none of them.
func nobodyApproves(cfg *config.Config, loaded *policy.Policy) []string {
	groups := loaded.Groups()
	if cfg.Approvals.Enabled() || len(groups) == 0 {
		return nil
	}
	names := make([]string, len(groups))
	for i, group := range groups {
		names[i] = "approvals." + group.Group
	}
	return []string{fmt.Sprintf("the policy %s refers to people by %s, and the configuration has no approvals.people: what it refers to them is refused, with --stdio-ui too", loaded.Name(), some(names))}
}

// some names a few.
func some(texts []string) string {
	if more := len(texts) - maxNamed; more > 0 {
		return strings.Join(texts[:maxNamed], ", ") + fmt.Sprintf(", and %d more", more)
	}
	return strings.Join(texts, ", ")
}

func idList(ids []uint64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = fmt.Sprint(id)
	}
	return some(texts)
}

// warnOfIdle logs what of the policy in force can't work.
func (d *durable) warnOfIdle(ctx context.Context, cfg *config.Config) {
	if d.inForce.policy != nil {
		d.warn(ctx, idle(cfg, d.inForce.policy, d.accounts()))
	}
}

// warnOfUnserved logs what of it can't work whichever accounts it names.
func (d *durable) warnOfUnserved(ctx context.Context, cfg *config.Config) {
	if d.inForce.policy != nil {
		d.warn(ctx, unserved(cfg, d.inForce.policy, d.accounts()))
	}
}

func (d *durable) warn(ctx context.Context, warnings []string) {
	for _, warning := range warnings {
		d.log.WarnContext(ctx, "Part of the policy can't work here", "why", warning)
	}
}
