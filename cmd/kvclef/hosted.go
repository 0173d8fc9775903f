package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// hostRunner runs the services that are managed over the admin socket, each in
// front of a node with the accounts of a vault.
type hostRunner struct {
	signing *signing
	reserve func(extapi.Signer) extapi.Signer // what callers may not use

	records *hostedRecords
	owners  owners
	shared  rules.Shared  // of the records, nil if no other replica serves the same
	sweeps  chan struct{} // one place: whether a sweep is to be made

	registry *hosting.Registry

	mu   sync.Mutex
	used map[string]string // service by vault and chain: two would give the same nonces
}

// newHostRunner returns a runner that runs nothing yet.
func (s *signing) newHostRunner(records *hostedRecords, reserve func(extapi.Signer) extapi.Signer) *hostRunner {
	return &hostRunner{
		signing: s, reserve: reserve, records: records, owners: newAccountOwners(records), sweeps: make(chan struct{}, 1),
		used: make(map[string]string),
	}
}

// owners know for whom accounts send.
type owners interface {
	take(ctx context.Context, by string, chains []uint64, accounts ...common.Address) error
	has(ctx context.Context, by string, chains []uint64, account common.Address) bool
	release(by string)
}

// hostingKey is the key of the file in the configuration.
const hostingKey = "proxy.hosting_key_file"

// openHosting opens what is kept of hosted services, and starts them. The signer has
// the process's own accounts. It returns nil where nothing is hosted.
func (s *signing) openHosting(ctx context.Context, signer extapi.Signer, reserve func(extapi.Signer) extapi.Signer) (_ *hostRunner, err error) {
	file := s.cfg.Proxy.HostingKeyFile
	if file == "" {
		return nil, s.occupyOwn(ctx)
	}
	seal, err := hosting.LoadSeal(hostingKey, file)
	if err != nil {
		return nil, &usageError{err}
	}
	records, err := openHostedRecords(ctx, s.state.store, s.log)
	if err != nil {
		return nil, err
	}
	runner := s.newHostRunner(records, reserve)
	replica, err := runner.share(ctx, signer)
	if err != nil {
		return nil, err
	}
	var taken []string
	for i := range s.cfg.Vaults {
		taken = append(taken, s.cfg.Vaults[i].Label())
		for _, chain := range s.cfg.ChainIDs {
			runner.used[useOfVault(&s.cfg.Vaults[i], chain)] = ownPart
		}
	}
	for _, account := range signer.Accounts() {
		err := runner.owners.take(ctx, ownPart, s.cfg.ChainIDs, account.Address)
		var owned *ownedError
		switch {
		case errors.As(err, &owned): // that is no reason to stop all others
			s.log.WarnContext(ctx, "Account not used", "account", account.Address, "service", ownPart, "error", err)
		case err != nil:
			return nil, err
		}
	}
	runner.registry, err = hosting.Open(ctx, hosting.Config{
		Records: s.state.store, Seal: seal, Runner: runner, Deleted: runner.deleted, Taken: taken, Replica: replica, UnderWay: runner.underWay, Logger: s.log,
	})
	if err != nil {
		return nil, hostingError(err)
	}
	if err := runner.registry.StartAll(ctx); err != nil {
		return nil, errors.Join(err, runner.registry.Close(ctx))
	}
	s.state.admin.Mount(admin.PathHosted, runner.registry.API())
	return runner, nil
}

// holds returns what reports whether somebody sends for an account of a signer. A nil
// runner has no others.
func (h *hostRunner) holds(by string, chains []uint64, signer extapi.Signer) func(context.Context, common.Address) bool {
	return func(ctx context.Context, account common.Address) bool {
		_, held := signer.Find(ctx, account)
		return held && (h == nil || h.owners.has(ctx, by, chains, account))
	}
}

// pages returns what hosted services answer of the public listener; nil has none.
func (h *hostRunner) pages() func(*http.Request) http.Handler {
	if h == nil {
		return nil
	}
	return hostedPages(h.registry)
}

// hostedPages returns the pages of the public listener that hosted services answer. A
// path that is only nearly one of theirs is theirs too, and there is no such service:
// who means a service must not reach the process's own node and vaults.
func hostedPages(registry *hosting.Registry) func(*http.Request) http.Handler {
	return func(r *http.Request) http.Handler {
		meant := strings.ToLower(path.Clean("/"+r.URL.Path)) + "/"
		if strings.HasPrefix(r.URL.Path, hosting.PathServices) || strings.HasPrefix(meant, hosting.PathServices) {
			return registry
		}
		return nil
	}
}

// useOfVault names a vault on a chain.
func useOfVault(vault *config.Vault, chain uint64) string {
	return fmt.Sprintf("%s %d", vault.Host(), chain)
}

// Start runs a service.
func (h *hostRunner) Start(ctx context.Context, service hosting.Service, configuration hosting.Configuration) (_ hosting.Running, err error) {
	running, started := &hostedService{id: service.ID, signing: h.signing, runner: h}, false
	defer func() {
		if !started { // it may have panicked
			h.owners.release(service.ID)
			running.free()
		}
	}()
	if running.vaults, err = openVaults(ctx, []config.Vault{configuration.Vault}, h.signing.log, h.signing.watch); err != nil {
		return nil, err
	}
	parts := frontParts{
		name: service.Name, path: hosting.PathServices + service.ID, vaults: running.vaults, gate: &running.gate,
		maxFinished: maxFinishedHosted,
	}
	if err := h.choose(ctx, service, running, &parts); err != nil {
		return nil, err
	}
	if h.shared == nil { // else the store decides, and one that another replica deleted may still be stopping here
		if err := h.claim(service, configuration, parts.chains, running); err != nil {
			return nil, err
		}
	}
	by, err := h.judging(service)
	if err != nil {
		return nil, err
	}
	keyring := running.vaults.keyring()
	h.keepFor(service.ID, keyringSigner{keyring}, &parts)
	parts.holds = h.holds(service.ID, parts.chains, parts.signer)
	if err := h.owners.take(ctx, service.ID, parts.chains, addressesOf(parts.signer.Accounts())...); err != nil {
		return nil, err
	}
	if parts.account, err = h.signing.newAccount(parts.signer, nil, by, parts.chains); err != nil {
		return nil, err
	}
	if running.front, err = h.signing.newFront(ctx, parts); err != nil {
		return nil, err
	}
	if err := h.record(ctx, service, configuration); err != nil {
		return nil, err
	}
	h.signing.outboxes.put(service.Name, running.front.outbox)
	running.begin(ctx, keyring)
	started = true
	return running, nil
}

func addressesOf(accounts []rules.Account) []common.Address {
	addresses := make([]common.Address, len(accounts))
	for i, account := range accounts {
		addresses[i] = account.Address
	}
	return addresses
}

// choose finds the node of a service and its chain.
func (h *hostRunner) choose(ctx context.Context, service hosting.Service, running *hostedService, parts *frontParts) (err error) {
	node := h.signing.cfg.Proxy
	if service.Details.Node != "" {
		node.Node, node.NodeFile, node.NodeWS, node.NodeHeadersFile = service.Details.Node, "", "", ""
	}
	if service.Details.NodeWS != "" {
		node.NodeWS = service.Details.NodeWS
	}
	if running.node, err = newNodeClient(&node); err != nil {
		return err
	}
	parts.node, parts.nodeWS, parts.chains = running.node, node.NodeWS, service.Details.ChainIDs
	if len(parts.chains) == 0 {
		chain, err := chainOf(ctx, running.node, nodePatience)
		if err != nil {
			return err
		}
		parts.chains = []uint64{chain}
	}
	if h.signing.loopbackOnly { // in development
		for _, chain := range parts.chains {
			if name, public := publicChainNamed(chain); public {
				return fmt.Errorf("chain %d is %s, a public network; dev signs for private chains only", chain, name)
			}
		}
	}
	return nil
}

// claim takes the accounts of a vault on the service's chains: a second service with
// them would give the same nonces.
func (h *hostRunner) claim(service hosting.Service, configuration hosting.Configuration, chains []uint64, running *hostedService) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, chain := range chains {
		use := useOfVault(&configuration.Vault, chain)
		if by, used := h.used[use]; used {
			return fmt.Errorf("the accounts of the vault %s send on chain %d for %s already, and a second service would give the same nonces: use that, or another vault", configuration.Vault.URL, chain, by)
		}
	}
	for _, chain := range chains {
		use := useOfVault(&configuration.Vault, chain)
		h.used[use] = "the service " + service.ID
		running.uses = append(running.uses, use)
	}
	return nil
}

// judging returns what judges the requests of a service. A policy of its own counts its
// limits by itself.
func (h *hostRunner) judging(service hosting.Service) (judging, error) {
	if service.PolicySource == nil {
		return h.signing.judging(), nil
	}
	if h.signing.cfg.Rules.AttestKey != "" {
		return judging{}, errors.New("rules.attest_key is set, and the policy of a hosted service is not signed by it: leave details.policy out, so that the process's policy decides, with its word vault")
	}
	loaded, err := policy.Load(service.Details.Policy, service.PolicySource, policy.Options{})
	if err != nil {
		return judging{}, err
	}
	if scripts := loaded.Scripts(); len(scripts) > 0 {
		return judging{}, fmt.Errorf("the policy %s hands over to rule files (%s), which the policy of a hosted service can't: they would not be attested",
			service.Details.Policy, strings.Join(slices.Sorted(maps.Keys(scripts)), ", "))
	}
	ledger := scopedLedger{h.signing.state.store, service.ID + "/"}
	engine := &rules.Engine{Rules: []rules.Rule{loaded}, Ledger: ledger, Recorded: h.signing.state.audit != nil}
	return judging{engine, true, loaded.Signatures}, nil
}

// record says in the audit log that a service runs from here on, and what decides.
func (h *hostRunner) record(ctx context.Context, service hosting.Service, configuration hosting.Configuration) error {
	note := fmt.Sprintf("the hosted service %s, %q, runs with the vault %s", service.ID, service.Name, configuration.Name)
	entry := audit.Entry{Event: audit.EventPolicy, Note: note}
	if hash := service.Details.PolicySHA256; hash != "" {
		entry.Policy = "0x" + hash
	}
	return h.signing.state.record(ctx, entry)
}
