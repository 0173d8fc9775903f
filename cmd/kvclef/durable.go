package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/admin"
	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/cmd/kvclef/webhook"
	"github.com/kvclef/kvclef/extapi"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/console/passkey"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/approval"
	"github.com/kvclef/kvclef/rules/clefjs"
	"github.com/kvclef/kvclef/rules/clefui"
	"github.com/kvclef/kvclef/rules/policy"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// stepTimeout bounds each step of the beginning and the end.
const stepTimeout = 10 * time.Second

// durableOptions say where a signer keeps things, and how it treats what is
// missing.
type durableOptions struct {
	path      string // of the data directory; "": none
	place     string // flags that name it, or what says more of it; "": by its path
	make      bool   // the directory and its state, if they are missing
	temporary bool   // the directory is removed at the end
	attested  bool   // the rule file must be attested
	watch     *watch // what follows the signer; nil: nothing
}

// durable is what a signer decides by and writes to while it runs. The zero
// value is a signer that signs nothing and records nothing.
type durable struct {
	options durableOptions
	log     *slog.Logger

	dir     datadir.Dir
	store   stateStore      // nil: none
	admin   *admin.Server   // nil: none
	inForce policyInForce   // its policy is nil: none
	file    rulesFile       // of the ruleset
	ruleset *clefjs.Ruleset // nil: none
	shadow  *policy.Shadow  // nil: none

	approver rules.Approver // who is asked what rules refer to people; nil: nobody
	ui       *clefui.UI     // nil: none
	audit    *audit.Log     // nil: none

	approvals *approval.Queue               // nil: nobody approves
	passkeys  *passkey.Passkeys             // nil: there is no console
	webhooks  []webhook.Hook                // that are told of tickets
	asksAll   bool                          // people are asked about all that no rule decides
	current   atomic.Pointer[policy.Policy] // that is in force; nil: none
	accounts  func() []rules.Account        // those that the vaults have; set before the signer runs

	live      rules.Exchangeable // what inForce is decided by
	reloading sync.Mutex         // guards inForce once the signer runs

	auditPath string        // absolute
	known     store.LogHead // of the audit log, when it was opened
	before    store.LogHead // of the audit log that was used last, if that was another
	begun     bool          // this start is on record: the audit log is the one used last
}

// needsDataDir reports whether a configuration can't do without the data
// directory.
func needsDataDir(cfg *config.Config) bool {
	return cfg.DataDir != "" || cfg.Approvals.Enabled() || cfg.Rules.Policy != "" || cfg.Rules.File != "" || cfg.Store.Postgres.Enabled() || cfg.Audit.CheckpointKey != "" || cfg.Proxy.Enabled()
}

// openDurable opens everything, or nothing: a signer never starts with a part.
func openDurable(ctx context.Context, cfg *config.Config, options durableOptions, log *slog.Logger) (*durable, error) {
	d := &durable{options: options, log: log}
	for _, open := range []func(context.Context, *config.Config) error{d.openState, d.loadFiles, d.joinRules, d.openAudit, d.relyOnAudit, d.rememberRead, d.openApprovals} {
		if err := open(ctx, cfg); err != nil {
			return nil, errors.Join(err, d.close(ctx))
		}
	}
	return d, nil
}

// openState opens the data directory, its store, and the socket for commands
// that need the store meanwhile.
func (d *durable) openState(ctx context.Context, cfg *config.Config) (err error) {
	if d.options.path == "" {
		return nil
	}
	open := datadir.Open
	if d.options.make {
		open = datadir.Make
	}
	if d.dir, err = open(d.options.path); err != nil {
		return &usageError{missingDir(ctx, cfg, err)}
	}
	if d.options.make && !cfg.Store.Postgres.Enabled() {
		if err := bolt.Create(d.dir.Store()); err != nil && !errors.Is(err, bolt.ErrExists) {
			return err
		}
	}
	if d.store, err = openStateStore(ctx, cfg, d.dir, d.log, d.options.watch.store()); err != nil {
		return err
	}
	d.admin, err = admin.Start(ctx, d.dir.AdminSocket(), ofAdmin(d.store), d.log)
	return err
}

// openAudit opens the audit log, if there is a place for it.
func (d *durable) openAudit(ctx context.Context, cfg *config.Config) error {
	if err := d.findAudit(ctx, cfg); err != nil || d.auditPath == "" {
		return err
	}
	replica, err := cfg.ReplicaName()
	if err != nil {
		return &usageError{err}
	}
	if err := d.takesUp(ctx, placeFlags(cfg.Place, d.dir)); err != nil {
		return err
	}
	options := audit.Options{Known: headOfLog(d.known), Replica: replica, MaxBytes: cfg.Audit.MaxBytes, Logger: d.log, Hook: d.options.watch.hook(failpointHook())}
	d.audit, err = audit.Open(ctx, d.auditPath, options)
	return err
}

// checkAudit looks whether the audit log could be opened.
func (d *durable) checkAudit(ctx context.Context, cfg *config.Config) error {
	if err := d.findAudit(ctx, cfg); err != nil || d.auditPath == "" {
		return err
	}
	return audit.Check(ctx, d.auditPath, headOfLog(d.known))
}

// findAudit finds where the audit log is, if there is a place for it, and what is known of it.
func (d *durable) findAudit(ctx context.Context, cfg *config.Config) error {
	if cfg.Audit.File == "" && d.store == nil {
		return nil
	}
	path, err := auditPath(cfg, d.dir)
	if err == nil {
		d.auditPath, err = filepath.Abs(path)
	}
	if err != nil || d.store == nil {
		return err
	}
	heads, err := d.store.LogHeads(ctx)
	if err != nil {
		return err
	}
	d.known, d.before = headOf(heads, d.auditPath)
	return nil
}

// decider returns what judges requests.
func (d *durable) decider() extapi.Decider {
	engine := &rules.Engine{Ledger: d.options.watch.ledger(d.store), Approver: d.approver, Recorded: d.audit != nil}
	switch {
	case d.inForce.policy != nil: // decides about everything
		engine.Rules = []rules.Rule{d.shadowed(d.exchangeable())}
	case d.ruleset != nil:
		engine.Rules = []rules.Rule{d.shadowed(d.ruleset)}
	case d.ui != nil: // it decides about everything
	case d.asksAll:
		engine.Rules = []rules.Rule{listings{}}
	default:
		return rules.NoRules{}
	}
	return engine
}

// decides reports whether there is a policy, a rule file, or somebody to ask without.
func (d *durable) decides() bool {
	return d.inForce.policy != nil || d.ruleset != nil || d.ui != nil || d.asksAll
}

// auditor returns what keeps the record. Without an audit log there is no
// policy and no ruleset either, so that nothing is signed.
func (d *durable) auditor() extapi.Auditor {
	if d.audit == nil {
		return noAudit{}
	}
	return d.options.watch.auditor(d.audit)
}

// begin records that a signer starts, and what it decides by.
func (d *durable) begin(ctx context.Context, decides string) error {
	var files []string
	if d.inForce.policy != nil {
		files = append(files, d.inForce.file.String())
	}
	if d.ruleset != nil {
		files = append(files, d.file.String())
	}
	if len(files) > 0 {
		decides = strings.Join(files, "; ")
	}
	if d.before.Seq > 0 {
		d.log.WarnContext(ctx, "Audit log is another than the last time", "path", d.auditPath, "before", d.before.Log, "entry", d.before.Seq, "hash", d.before.Hash)
		decides = fmt.Sprintf("the audit log before had entry %d with the hash %s, %s; %s", d.before.Seq, d.before.Hash, d.before.Log, decides)
	}
	decides, told := d.forgotten(decides)
	version := buildVersion()
	entry := audit.Entry{Event: audit.EventStart, Note: fmt.Sprintf("kvclef %s %s; %s", version.Version, version.Revision, decides)}
	if d.before.Seq > 0 {
		entry.Before = &audit.Before{Log: d.before.Log, Seq: d.before.Seq, Hash: d.before.Hash}
		if err := entry.Before.Check(); err != nil {
			d.log.WarnContext(ctx, "A copy of the state that is older will not find the audit log before", "error", err)
			entry.Before = nil
		}
	}
	if d.inForce.policy != nil {
		entry.Policy = d.inForce.file.sha256.Hex()
	}
	if err := d.record(ctx, entry); err != nil {
		return err
	}
	if err := errors.Join(told(ctx), d.recordPasskeys(ctx)); err != nil {
		return err
	}
	d.begun = true
	return d.rememberUsed(ctx)
}

// end records that a signer ended, and why if that was not asked for.
func (d *durable) end(ctx context.Context, why error) error {
	entry := audit.Entry{Event: audit.EventStop, Note: d.shadowNote()}
	if why != nil {
		entry.Error = why.Error()
	}
	return d.record(ctx, entry)
}

// record appends an entry, whether or not the signer was told to end.
func (d *durable) record(ctx context.Context, entry audit.Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	return d.auditor().Append(ctx, entry)
}

// close closes everything, the last first. No request is under way then, or it
// is refused.
func (d *durable) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	var failures []error
	if d.ui != nil {
		d.ui.Close()
	}
	if d.ruleset != nil {
		d.ruleset.Close()
	}
	if d.audit != nil {
		failures = append(failures, d.audit.Close(), d.rememberUsed(ctx))
	}
	if d.admin != nil {
		failures = append(failures, d.admin.Close(ctx))
	}
	if d.store != nil {
		failures = append(failures, d.store.Close())
	}
	if d.options.temporary {
		failures = append(failures, os.RemoveAll(d.options.path))
	}
	return errors.Join(failures...)
}

// noAudit keeps no record. It is for a signer that signs nothing.
type noAudit struct{}

// Append forgets the entry.
func (noAudit) Append(context.Context, audit.Entry) error { return nil }
