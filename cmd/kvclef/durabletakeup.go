package main

import (
	"context"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// takesUp refuses an audit log that the state would lose something with, before it is
// opened and written to.
func (d *durable) takesUp(ctx context.Context) error {
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
	return nil
}

// strayed refuses a log that was moved after a crash and whose journal is where it was.
func strayed(ctx context.Context, k upTo, path string) error {
	if k.from.Log == path {
		return nil
	}
	return audit.Strayed(ctx, k.from.Log, path)
}
