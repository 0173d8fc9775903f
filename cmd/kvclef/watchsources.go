package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/kvclef/kvclef/cmd/internal/policytest"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/health"
	"github.com/kvclef/kvclef/cmd/kvclef/metrics"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules/approval"
)

// limitsAge is how old may be what metrics and the console tell of limits, however many
// ask.
const limitsAge = 5 * time.Second

// sources are what metrics are gathered from.
func (s *signing) sources(ready *health.Readiness) *metrics.Sources {
	from := &metrics.Sources{
		Vaults: func() []metrics.Vault {
			all := make([]metrics.Vault, len(s.vaults))
			for i, vault := range s.vaults {
				all[i] = metrics.Vault{Name: vault.Name(), Accounts: len(vault.Accounts()), Answers: vault.Answers()}
			}
			return all
		},
		Policy: s.state.deciding,
		Limits: (&limitReader{state: s.state}).uses,
		Outbox: s.outboxes.pending,
		Checks: func(ctx context.Context) []metrics.Check {
			report := ready.Report(ctx)
			checks := make([]metrics.Check, len(report.Checks))
			for i, check := range report.Checks {
				checks[i] = metrics.Check{Name: check.Name, OK: check.OK}
			}
			return checks
		},
	}
	if queue := s.state.approvals; queue != nil {
		from.Tickets = func() (int, time.Time) { return waitingTickets(queue) }
	}
	if s.state.ruleset != nil {
		from.Rules = s.state.ruleset.Calls
	}
	if s.state.audit != nil {
		from.Audit = func() uint64 { seq, _ := s.state.audit.Head(); return seq }
	}
	return from
}

// deciding tells what decides.
func (d *durable) deciding() []metrics.File {
	var files []metrics.File
	if policy := d.current.Load(); policy != nil {
		files = append(files, metrics.File{Kind: "policy", SHA256: fmt.Sprintf("%x", policy.Hash())})
	}
	if d.shadow != nil {
		files = append(files, metrics.File{Kind: "shadow", SHA256: fmt.Sprintf("%x", d.shadow.Candidate.Hash())})
	}
	if d.ruleset != nil {
		files = append(files, metrics.File{Kind: "rules", SHA256: fmt.Sprintf("%x", d.file.sha256)})
	}
	return files
}

// waitingTickets counts the tickets that wait for people.
func waitingTickets(queue *approval.Queue) (open int, oldest time.Time) {
	for _, ticket := range queue.Tickets() {
		if ticket.State != approval.StateOpen {
			continue
		}
		open++
		if opened := ticket.Content.Opened; oldest.IsZero() || opened.Before(oldest) {
			oldest = opened
		}
	}
	return open, oldest
}

// outboxes are those of the services in front of nodes, by name; "" is the process's own.
type outboxes struct {
	mu sync.Mutex
	of map[string]*outbox.Outbox
}

// put adds an outbox.
func (o *outboxes) put(service string, box *outbox.Outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil {
		o.of = make(map[string]*outbox.Outbox)
	}
	o.of[service] = box
}

// drop removes an outbox, unless another has its name by now.
func (o *outboxes) drop(service string, box *outbox.Outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of[service] == box {
		delete(o.of, service)
	}
}

func (o *outboxes) pending() []metrics.Outbox {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []metrics.Outbox
	for service, box := range o.of {
		pending, oldest := box.Pending()
		all = append(all, metrics.Outbox{Service: service, Pending: pending, Oldest: oldest})
	}
	return all
}

// limitReader reads for metrics what is used of limits.
type limitReader struct {
	state *durable

	mu    sync.Mutex // of the one who reads
	read  time.Time
	last  []metrics.LimitUse
	holds int
	err   error
}

// uses returns what is used of the limits of the policy in force, and how many holds
// are not settled.
func (r *limitReader) uses(ctx context.Context) ([]metrics.LimitUse, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.read.IsZero() && time.Since(r.read) < limitsAge {
		return r.last, r.holds, r.err
	}
	r.last, r.holds, r.err = r.look(ctx)
	r.read = time.Now()
	return r.last, r.holds, r.err
}

func (r *limitReader) look(ctx context.Context) ([]metrics.LimitUse, int, error) {
	policy := r.state.current.Load()
	if policy == nil || r.state.store == nil {
		return nil, 0, errors.New("there are no limits")
	}
	counters, holds, err := r.state.store.Totals(ctx)
	if err != nil {
		return nil, 0, err
	}
	// Of the totals of a limit that counts per caller or account, the fullest.
	place := make(map[string]int)
	var uses []metrics.LimitUse
	for _, use := range usesOf(policy, policytest.Names{}, counters) {
		next := metrics.LimitUse{Limit: use.Limit, Used: partOf(use.Used, use.Max), Held: partOf(use.Held, use.Max)}
		at, found := place[use.Limit]
		switch {
		case !found:
			place[use.Limit] = len(uses)
			uses = append(uses, next)
		case next.Used > uses[at].Used:
			uses[at] = next
		}
	}
	return uses, holds, nil
}

// configuredPrincipals returns the principals that a configuration names.
func configuredPrincipals(cfg *config.Config) []string {
	names := slices.AppendSeq(slices.Collect(maps.Values(cfg.Listeners.IPC.Principals)), maps.Keys(cfg.Limits.Callers.Principals))
	for _, person := range cfg.Approvals.People {
		names = append(names, person.Principals...)
	}
	for _, jwt := range []config.JWT{cfg.Listeners.HTTP.JWT, cfg.Proxy.JWT} {
		if jwt.SecretFile != "" {
			names = append(names, cmp.Or(jwt.SecretPrincipal, "jwt"))
		}
	}
	return names
}

// principalsIn returns the principals that a policy names. What it can't read names
// nobody.
func principalsIn(source []byte) []string {
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		return nil
	}
	var names []string
	var walk func(node *yaml.Node, named bool)
	walk = func(node *yaml.Node, named bool) {
		switch {
		case named && node.Kind == yaml.ScalarNode:
			names = append(names, node.Value)
		case node.Kind == yaml.MappingNode:
			for i := 0; i+1 < len(node.Content); i += 2 {
				walk(node.Content[i+1], node.Content[i].Value == "principal")
			}
		default:
			for _, child := range node.Content {
				walk(child, named)
			}
		}
	}
	walk(&document, false)
	return names
}
