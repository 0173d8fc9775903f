package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/policy"
)

// voidTimeout bounds the ending of tickets at a reload.
const voidTimeout = 30 * time.Second

// policyInForce is the policy that decides, and may be exchanged while it does.
type policyInForce struct {
	file   rulesFile
	policy *policy.Policy
}

// reloadPolicy reads the policy again and puts it in force, if it is sound and
// may be used. After an error the one before stays. It returns what to tell.
func (d *durable) reloadPolicy(ctx context.Context, cfg *config.Config) (told string, err error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	next, err := d.readPolicy(ctx, cfg)
	if err == nil {
		next.policy, err = d.join(ctx, next)
	}
	if err == nil && next.file.sha256 != d.inForce.file.sha256 {
		// What decides is on record before it does.
		err = d.record(ctx, audit.Entry{Event: audit.EventPolicy, Policy: next.file.sha256.Hex(), Note: fmt.Sprintf("%v; before: SHA-256 %x", next.file, d.inForce.file.sha256)})
	}
	if err != nil {
		d.log.ErrorContext(ctx, "POLICY NOT RELOADED: the one before stays in force", "file", d.inForce.file.path,
			"sha256_in_force", fmt.Sprintf("%x", d.inForce.file.sha256), "error", err)
		return "", fmt.Errorf("the policy with SHA-256 %x stays in force: %w", d.inForce.file.sha256, err)
	}
	before := d.inForce
	d.inForce = next
	d.exchangeable()
	d.log.WarnContext(ctx, "Policy reloaded", "file", next.file.path, "sha256", fmt.Sprintf("%x", next.file.sha256),
		"sha256_before", fmt.Sprintf("%x", before.file.sha256), "rules", len(next.policy.Rules()))
	d.warnOfUnserved(ctx, cfg)
	void, err := d.voidTickets(ctx, before.policy)
	if err != nil {
		return "", err
	}
	if next.file.sha256 == before.file.sha256 {
		return fmt.Sprintf("%s has not changed; its SHA-256 is %x", next.file.path, next.file.sha256), nil
	}
	return fmt.Sprintf("%s is in force, with SHA-256 %x and %d rules%s", next.file.path, next.file.sha256, len(next.policy.Rules()), void), nil
}

// voidTickets ends what people were asked by the policy before. It returns what to
// tell of it.
func (d *durable) voidTickets(ctx context.Context, before *policy.Policy) (told string, err error) {
	if d.approvals == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), voidTimeout)
	defer cancel()
	ended, err := d.approvals.Void(ctx, before.Hash())
	if ended > 0 {
		told = "; " + counted(ended, "ticket") + " of the one before ended, void"
		d.log.WarnContext(ctx, "Tickets of the policy before are void", "tickets", ended)
	}
	if err != nil {
		d.log.ErrorContext(ctx, "VOID TICKETS NOT ENDED: it is tried again each second; don't go back to the policy before meanwhile", "error", err)
		return "", fmt.Errorf("the policy with SHA-256 %x is in force, and not all tickets of the one before could be ended, which is tried again each second: "+
			"until kvclef approvals list shows none of them, don't go back: %w", d.inForce.file.sha256, err)
	}
	return told, nil
}

// reloadOnHangUp reloads the policy whenever the process gets the signal HUP,
// until the context ends. Without a policy, and in development, where a terminal
// sends it when it closes, the signal ends the process, as ever.
func (d *durable) reloadOnHangUp(ctx context.Context, cfg *config.Config) {
	if d.live.Empty() || !d.options.attested {
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			_, _ = d.reloadPolicy(ctx, cfg) // it is in the log
		}
	}
}

// allowReload lets commands have the policy read again.
func (d *durable) allowReload(cfg *config.Config) {
	if d.admin != nil && !d.live.Empty() {
		d.admin.OnReload(func(ctx context.Context) (string, error) { return d.reloadPolicy(ctx, cfg) })
	}
}

// exchangeable returns the rule that stands for the policy in force. What people
// were asked by the one before is void first; voidTickets ends it.
func (d *durable) exchangeable() rules.Rule {
	d.current.Store(d.inForce.policy)
	d.live.Exchange(d.inForce.policy)
	d.options.watch.namePrincipals(d.inForce.file.source)
	return &d.live
}
