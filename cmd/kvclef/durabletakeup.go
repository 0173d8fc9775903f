package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules/store"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// takesUp refuses an audit log that the state would lose something with, before it is
// opened and written to.
func (d *durable) takesUp(ctx context.Context, place string) error {
	file, ok := d.store.(*bolt.Store)
	if !ok {
		return nil
	}
	heads, err := file.LogHeads(ctx)
	if err != nil {
		return err
	}
	if k, some := upToOf(file.Unsettled(), file.Forgotten(), heads); some {
		return strayed(ctx, k, d.auditPath)
	}
	if knowsNone(heads, file.Forgotten()) && !d.options.make { // or it was made by itself
		return unknown(ctx, d.auditPath, place)
	}
	return nil
}

// knowsNone tells whether a state was used with no audit log, nor has anybody said that it
// is to go on with one that has entries.
func knowsNone(heads []store.LogHead, forgotten store.LogHead) bool {
	return heads == nil && forgotten == (store.LogHead{})
}

// unknown refuses an audit log with entries for a state that was used with none.
func unknown(ctx context.Context, path, place string) error {
	last, _ := lastOf(ctx, path) // what is wrong with it is told when it is opened
	if last == 0 {
		return nil
	}
	return usagef("the state was used with no audit log before, and the audit log %s has entries, up to %d: what was spent of limits was in another state, and this one does not know it. "+
		"Put back that state, or a copy of it, as docs/operations.md#backup says, or name a log of its own (--auditlog); "+
		"without a copy do as docs/operations.md#the-state-is-lost-or-damaged says, and have what was spent forgotten with kvclef state forget --entry 0%s", path, last, place)
}

// strayed refuses a log that was moved after a crash and whose journal is where it was.
func strayed(ctx context.Context, k upTo, path string) error {
	if k.from.Log == path {
		return nil
	}
	err := audit.Strayed(ctx, k.from.Log, path)
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return lacked(k, err)
	}
	return err
}
