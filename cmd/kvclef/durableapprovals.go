package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/approvals"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/policy"
)

// openApprovals opens the tickets, where there are people who may approve.
func (d *durable) openApprovals(ctx context.Context, cfg *config.Config) (err error) {
	a := &cfg.Approvals
	if !a.Enabled() {
		return nil
	}
	if d.inForce.policy != nil {
		d.current.Store(d.inForce.policy) // tickets of it are not void before it decides
	}
	d.approvals, err = approval.New(ctx, approval.Config{
		Records: d.store, Shared: d.shared(), Ledger: d.store, Journal: approvalsJournal{d}, Logger: d.log,
		Default: a.Default.Quorum(), SamePerson: samePerson(a.People, os.Getuid(), principalsOf(&cfg.Listeners.IPC)), InForce: d.policyHash, Shares: cfg.Limits.Repeat > 0,
		Remember: a.Remember, Keep: a.Keep, MaxOpen: a.MaxOpen, MaxPerCaller: a.MaxOpenPerCaller,
	})
	if err != nil {
		return fmt.Errorf("opening the tickets for people: %w", err)
	}
	if err := errors.Join(d.openWebhooks(cfg), d.openPasskeys(cfg)); err != nil {
		return err
	}
	d.approver = d.approvals
	d.countVoters(ctx, cfg)
	d.asksAll = d.inForce.policy == nil && d.ruleset == nil && a.Default.Quorum() != nil
	return nil
}

// countVoters warns of groups of which too few have a way to vote.
func (d *durable) countVoters(ctx context.Context, cfg *config.Config) {
	a := &cfg.Approvals
	if a.Console.Enabled {
		return // everybody can have a passkey
	}
	var groups []*rules.Quorum
	if d.inForce.policy != nil {
		groups = d.inForce.policy.Groups()
	}
	if quorum := a.Default.Quorum(); quorum != nil {
		groups = append(groups, quorum)
	}
	for _, group := range groups {
		can := 0
		for _, name := range group.Of {
			if approvals.Supported && a.People[name].UID != nil {
				can++
			}
		}
		if can < group.Threshold {
			d.log.WarnContext(ctx, "Too few people of a group can vote: give them a uid, or turn the console on", "group", group.Group, "can_vote", can, "threshold", group.Threshold)
		}
	}
}

// knowPeople refuses a policy that names people who can't approve. Without any at
// all, what it refers is refused when it is asked for.
func knowPeople(cfg *config.Config, loaded *policy.Policy) error {
	if !cfg.Approvals.Enabled() {
		return nil
	}
	var unknown []error
	for _, group := range loaded.Groups() {
		unknown = append(unknown, cfg.Approvals.Know("the policy "+loaded.Name()+": approvals."+group.Group, group))
	}
	return errors.Join(unknown...)
}

// samePerson tells whether a person may be the one who asks. Over the socket the
// signer's own user asks, or root, or where it tells its users apart the person's. With a
// token or a certificate a person may ask as who it is for the issuer of the console.
func samePerson(people map[string]config.Person, user int, principalOf func(uid uint32) string) func(principal, transport, person string) bool {
	return func(principal, transport, name string) bool {
		person := people[name]
		if name == principal || slices.Contains(person.Principals, principal) || isIdentity(person.OIDC, principal) || asksAs(principalOf, person, principal) {
			return true
		}
		return transport == "ipc" && person.UID != nil && (int64(*person.UID) == int64(user) || *person.UID == 0)
	}
}

// isIdentity reports whether a principal may be who a person is for an issuer: the value of
// a claim, or an address of e-mail. Issuers don't agree on the case of letters.
func isIdentity(oidc, principal string) bool {
	value := oidc
	if _, after, named := strings.Cut(oidc, ":"); named {
		value = after
	}
	return value != "" && strings.EqualFold(value, principal)
}

// policyHash returns the hash of the policy in force, zero if there is none.
func (d *durable) policyHash() common.Hash {
	if p := d.current.Load(); p != nil {
		return p.Hash()
	}
	return common.Hash{}
}

// listings approves that accounts are listed, where people decide about everything
// else: a node that sees no accounts asks for no signature.
type listings struct{}

// Evaluate approves listings, and leaves all else to others.
func (listings) Evaluate(_ context.Context, req *rules.Request) (rules.Decision, rules.Hold, error) {
	if req.Kind != rules.KindList {
		return rules.Decision{}, nil, nil
	}
	return rules.Decision{Verdict: rules.Approve, Rule: rules.RuleNoRules, Reason: "listing is allowed"}, nil, nil
}
