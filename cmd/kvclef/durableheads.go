package main

import (
	"context"
	"time"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules/store"
)

// The rule of what a state remembers of audit logs: of each one up to where the state has all
// that it has; and the log is the one used last whose start is on record, for a start that
// fails before that decides nothing.

// headOf returns what is known of an audit log, and how far another had come if that was used
// last.
func headOf(heads []store.LogHead, path string) (known, other store.LogHead) {
	for _, head := range heads {
		if head.Log == path {
			known = head
		}
	}
	if other = lastUsed(heads); other.Log == path {
		other = store.LogHead{}
	}
	return known, other
}

// lastUsed returns the log that was used last, zero if none was.
func lastUsed(heads []store.LogHead) store.LogHead {
	if n := len(heads); n > 0 && !heads[n-1].Time.IsZero() {
		return heads[n-1]
	}
	return store.LogHead{}
}

// headOfLog is a head as the log knows it.
func headOfLog(head store.LogHead) audit.Head { return audit.Head{Seq: head.Seq, Hash: head.Hash} }

// rememberRead keeps in the store how far the audit log has come when it was opened, and the
// state has taken what it lacked.
func (d *durable) rememberRead(ctx context.Context, _ *config.Config) error {
	return d.remember(ctx, time.Time{})
}

// rememberUsed keeps in the store how far the audit log has come, so that the next start finds
// out if it was removed or cut meanwhile, if the start is on record.
func (d *durable) rememberUsed(ctx context.Context) error {
	if !d.begun {
		return nil
	}
	return d.remember(ctx, time.Now().UTC())
}

func (d *durable) remember(ctx context.Context, used time.Time) error {
	if d.store == nil || d.audit == nil {
		return nil
	}
	seq, hash := d.audit.Head()
	if seq == 0 || used.IsZero() && d.known.Seq == seq { // its hash was compared
		return nil
	}
	return d.store.KeepLogHead(ctx, store.LogHead{Log: d.auditPath, Seq: seq, Hash: hash, Time: used})
}
