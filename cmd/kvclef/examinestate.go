package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/kvclef/kvclef/cmd/kvclef/datadir"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// state looks at what the state remembers: what was attested, and how far the audit log had
// come. If a signer is started next, that is looked at only if something is wrong: both are
// about to be opened otherwise.
func (e *examination) state(ctx context.Context, known *durable) {
	if !e.alone && len(e.problems) == 0 {
		return
	}
	var heads []store.LogHead
	var closed *store.Summary // nil: it is open
	if known.dir.Path() != "" {
		held, running, err := lookAt(ctx, e.cfg, known.dir, false)
		if err != nil {
			e.fail(stateError(err), e.cfg.Store.Postgres.Enabled())
		} else {
			heads = held.LogHeads
			e.attestations(known, held)
			if !running {
				closed = held
			}
		}
	}
	err := e.chain(ctx, known.dir, heads)
	if err != nil {
		e.fail(err, false)
	}
	if closed != nil {
		e.relied(ctx, known.dir, closed, err == nil)
	}
}

// relied looks whether audit logs have what the state lacks, after a crash or as a copy. Of
// one that was closed, a log that is not as it was left was told.
func (e *examination) relied(ctx context.Context, dir datadir.Dir, held *store.Summary, sound bool) {
	if e.cfg.Store.Postgres.Enabled() {
		return // it relies on nothing
	}
	var unsettled, forgotten store.LogHead
	if held.Relied != nil {
		unsettled = *held.Relied
	}
	if held.Forgotten != nil {
		forgotten = *held.Forgotten
	}
	k, some := upToOf(unsettled, forgotten, held.LogHeads)
	none := !some && knowsNone(held.LogHeads, forgotten) && !e.options.make
	if !some && !none || k.closed && !sound {
		return
	}
	path, err := auditPath(e.cfg, dir)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return // it was told
	}
	if none {
		err = unknown(ctx, path, placeFlags(e.cfg.Place, dir))
	} else {
		err = strayed(ctx, k, path)
	}
	if err != nil {
		e.fail(err, false)
	}
	if none || err != nil {
		return
	}
	if _, err := lackedBy(ctx, k, path, looking); err != nil && !errors.Is(err, errCrashed) { // what the start completes, it looks at
		e.fail(err, false)
	}
}

// attestations compares the files that decide with what was attested.
func (e *examination) attestations(known *durable, held *store.Summary) {
	if !e.options.attested {
		return
	}
	for _, file := range e.attested {
		attestation := held.Attestation
		if file.kind == rules.PolicyFile {
			attestation = held.PolicyAttestation
		}
		found := attestation != nil
		if !found {
			attestation = new(rules.Attestation)
		}
		e.add(known.judgeAttestation(file, *attestation, found, e.cfg.Rules.AttestKey))
		e.seen.file(file, attestation)
	}
}

// chain looks whether the audit log is as it was left.
func (e *examination) chain(ctx context.Context, dir datadir.Dir, heads []store.LogHead) error {
	if e.cfg.Audit.File == "" && dir.Path() == "" {
		return nil
	}
	path, err := auditPath(e.cfg, dir)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil || audit.CheckPlace(path) != nil {
		return nil //nolint:nilerr // where it is to be was looked at
	}
	head, _ := headOf(heads, path)
	return audit.Check(ctx, path, headOfLog(head))
}

// fail keeps what is wrong with what a signer has kept. Where a signer is started next only
// what the configuration can mend is a problem of it, as when it was opened; to a check it is
// one, too, that the state or the log is damaged. What passes by itself is none: a database that
// does not answer, or a file that another command has open.
func (e *examination) fail(err error, passes bool) {
	var usage *usageError
	passes = passes || errors.Is(err, bolt.ErrLocked) || errors.Is(err, audit.ErrLocked) || errors.Is(err, context.Canceled)
	if errors.As(err, &usage) || e.alone && !passes {
		e.add(err)
		return
	}
	e.failures = append(e.failures, err)
}
