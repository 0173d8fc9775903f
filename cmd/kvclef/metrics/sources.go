package metrics

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gatherTimeout bounds what is asked while metrics are gathered.
const gatherTimeout = 5 * time.Second

// Bounds of series whose number is not the operator's configuration.
const (
	maxLimits   = 200
	maxServices = 100
	maxChecks   = 200
)

// Sources are what is asked when metrics are gathered. What is nil is not told. None
// may wait for a caller or for the network.
type Sources struct {
	Vaults  func() []Vault
	Policy  func() []File
	Limits  func(context.Context) (uses []LimitUse, holds int, err error)
	Tickets func() (open int, oldest time.Time)
	Rules   func() (running, most int) // calls of the rule file
	Outbox  func() []Outbox
	Audit   func() (entries uint64)
	Checks  func(context.Context) []Check
}

// Vault is a vault as it is.
type Vault struct {
	Name     string
	Accounts int
	Answers  bool // as far as the requests before tell
}

// File is what decides.
type File struct {
	Kind   string // "policy", "shadow" or "rules"
	SHA256 string // hexadecimal
}

// LimitUse is what is used of a limit: of its totals, the one with the least room.
type LimitUse struct {
	Limit      string
	Used, Held float64 // parts of what it allows
}

// Outbox is what a service in front of a node has under way.
type Outbox struct {
	Service string // "" is the process's own
	Pending int
	Oldest  time.Time // the zero time if nothing is pending
}

// Check is whether something that is needed to sign is there.
type Check struct {
	Name string
	OK   bool
}

// descriptions are the metrics that are asked for.
type descriptions struct {
	vaultAccounts, vaultCircuit, policyInfo, limitUsed, limitHeld, limitHolds, ticketsOpen, ticketsAge *prometheus.Desc
	rulesRunning, rulesMost, outboxPending, outboxOldest, auditEntries, checkOK                        *prometheus.Desc
}

func newDescriptions() descriptions {
	return descriptions{
		vaultAccounts: desc("kvclef_vault_accounts", "Accounts with keys in a vault.", "vault"),
		vaultCircuit:  desc("kvclef_vault_circuit_open", "1 while requests are held back since the vault is out of reach.", "vault"),
		policyInfo:    desc("kvclef_policy_info", "What decides, by the SHA-256 of its file. Always 1.", "kind", "sha256"),
		limitUsed:     desc("kvclef_limit_used_ratio", "What is held and spent of a limit, as a part of what it allows: of its totals, the one with the least room.", "limit"),
		limitHeld:     desc("kvclef_limit_held_ratio", "Of that, what is held by requests that are not settled.", "limit"),
		limitHolds:    desc("kvclef_limit_holds_open", "Holds that are not settled."),
		ticketsOpen:   desc("kvclef_approval_tickets_open", "Tickets that wait for people."),
		ticketsAge:    desc("kvclef_approval_oldest_ticket_age_seconds", "How long the oldest of them has waited, 0 if there is none."),
		rulesRunning:  desc("kvclef_rulefile_calls_running", "Calls of the rule file that run, each in a machine of its own."),
		rulesMost:     desc("kvclef_rulefile_calls_most", "How many may run at the same time."),
		outboxPending: desc("kvclef_outbox_transactions_pending", "Transactions that were sent and are in no block yet.", "service"),
		outboxOldest:  desc("kvclef_outbox_oldest_pending_age_seconds", "How long ago the oldest of them was signed, 0 if there is none.", "service"),
		auditEntries:  desc("kvclef_audit_entries", "The number of the last entry of the audit log."),
		checkOK:       desc("kvclef_ready_check", "1 if what is needed to sign is there, as /readyz tells it.", "check"),
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// gatherer asks the sources.
type gatherer struct {
	sources *atomic.Pointer[Sources]
	descriptions
}

// Describe tells what there may be.
func (g gatherer) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		g.vaultAccounts, g.vaultCircuit, g.policyInfo, g.limitUsed, g.limitHeld, g.limitHolds, g.ticketsOpen, g.ticketsAge,
		g.rulesRunning, g.rulesMost, g.outboxPending, g.outboxOldest, g.auditEntries, g.checkOK,
	} {
		to <- d
	}
}

// Collect asks.
func (g gatherer) Collect(to chan<- prometheus.Metric) {
	s := g.sources.Load()
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), gatherTimeout)
	defer cancel()
	c := collecting{to: to, seen: make(map[string]bool), descriptions: g.descriptions}
	c.vaults(s)
	c.limits(ctx, s)
	c.queues(s)
	if s.Policy != nil {
		for _, file := range s.Policy() {
			c.gauge(c.policyInfo, 1, file.Kind, file.SHA256)
		}
	}
	if s.Audit != nil {
		c.gauge(c.auditEntries, float64(s.Audit()))
	}
	if s.Checks != nil {
		for _, check := range first(s.Checks(ctx), maxChecks) {
			c.gauge(c.checkOK, flag(check.OK), check.Name)
		}
	}
}

// collecting is one gathering.
type collecting struct {
	to   chan<- prometheus.Metric
	seen map[string]bool
	descriptions
}

// gauge tells a value. The first of a series counts: a second one would be an error of
// all.
func (c collecting) gauge(d *prometheus.Desc, value float64, labels ...string) {
	series := d.String() + "\x00" + strings.Join(labels, "\x00")
	metric, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, value, labels...)
	if err == nil && !c.seen[series] {
		c.seen[series] = true
		c.to <- metric
	}
}

func (c collecting) vaults(s *Sources) {
	if s.Vaults == nil {
		return
	}
	for _, vault := range s.Vaults() {
		c.gauge(c.vaultAccounts, float64(vault.Accounts), vault.Name)
		c.gauge(c.vaultCircuit, flag(!vault.Answers), vault.Name)
	}
}

func (c collecting) limits(ctx context.Context, s *Sources) {
	if s.Limits == nil {
		return
	}
	uses, holds, err := s.Limits(ctx)
	if err != nil {
		return // nothing is told rather than something that is not so
	}
	c.gauge(c.limitHolds, float64(holds))
	for _, use := range first(uses, maxLimits) {
		c.gauge(c.limitUsed, use.Used, use.Limit)
		c.gauge(c.limitHeld, use.Held, use.Limit)
	}
}

func (c collecting) queues(s *Sources) {
	if s.Tickets != nil {
		open, oldest := s.Tickets()
		c.gauge(c.ticketsOpen, float64(open))
		c.gauge(c.ticketsAge, age(oldest))
	}
	if s.Rules != nil {
		running, most := s.Rules()
		c.gauge(c.rulesRunning, float64(running))
		c.gauge(c.rulesMost, float64(most))
	}
	if s.Outbox != nil {
		for _, o := range first(s.Outbox(), maxServices) {
			c.gauge(c.outboxPending, float64(o.Pending), o.Service)
			c.gauge(c.outboxOldest, age(o.Oldest), o.Service)
		}
	}
}

func first[T any](list []T, most int) []T { return list[:min(len(list), most)] }

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, time.Since(since).Seconds())
}
