package main

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/kvclef/kvclef/cmd/kvclef/health"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/rules"
)

// recordDoubt is for how long a signer that could not record something is not ready:
// then it is asked again, and finds out.
const recordDoubt = 30 * time.Second

// checks are what is needed to sign.
func (s *signing) checks(signer extapi.Signer) func() []health.Check {
	return func() []health.Check {
		all := []health.Check{
			{Name: "listeners", Look: func(context.Context) error {
				return needs(s.watch.open.Load(), "they are not open: it is starting, or shutting down")
			}},
			{Name: "policy", Look: func(context.Context) error {
				return needs(s.approvesAll() || s.state.decides() || s.hostsAlone(), "no rules are configured: nothing is signed")
			}},
			{Name: "accounts", Look: func(context.Context) error {
				return needs(len(signer.Accounts()) > 0 || s.hostsAlone(), "no vault has a key to sign with")
			}},
		}
		for _, vault := range s.vaults {
			all = append(all, health.Check{Name: "vault " + vault.Name(), Look: func(context.Context) error {
				return needs(vault.Answers(), "it does not answer")
			}})
		}
		if s.state.store != nil {
			all = append(all, health.Check{Name: "store", Look: s.lookAtStore})
		}
		if s.state.audit != nil {
			all = append(all, health.Check{Name: "audit log", Look: s.lookAtAudit})
		}
		if s.cfg.Proxy.Enabled() {
			all = append(all, health.Check{Name: "node", Look: s.lookAtNode})
		}
		return all
	}
}

// hostsAlone reports whether hosted services alone sign: they bring vaults, and may bring
// policies. What one of them lacks its status tells.
func (s *signing) hostsAlone() bool {
	hosts := s.cfg.Proxy.Enabled() && s.cfg.Proxy.HostingKeyFile != ""
	return hosts && (len(s.cfg.Vaults) == 0 || s.state.shared() != nil)
}

func needs(there bool, reason health.ReasonError) error {
	if there {
		return nil
	}
	return reason
}

// lookAtStore reads something: a store that is broken or closed refuses.
func (s *signing) lookAtStore(ctx context.Context) error {
	_, _, err := s.state.store.Attestation(ctx, rules.PolicyFile)
	return err
}

// lookAtAudit tells how the last entry fared. Nothing is written for it.
func (s *signing) lookAtAudit(context.Context) error {
	last := &s.watch.record
	if last.broken.Load() {
		return health.ReasonError("it is broken: nothing is signed until the signer is started again")
	}
	failed := last.failed.Load()
	return needs(failed == nil || time.Since(*failed) > recordDoubt, "the last entry could not be written")
}

// lookAtNode asks the node.
func (s *signing) lookAtNode(ctx context.Context) error {
	node := s.node.Load()
	if node == nil {
		return health.ReasonError("it is not asked yet")
	}
	var chain hexutil.Uint64
	return needs(node.CallContext(ctx, &chain, "eth_chainId") == nil, "it does not answer")
}
