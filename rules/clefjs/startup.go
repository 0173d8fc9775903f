package clefjs

import (
	"context"
	"fmt"

	"github.com/dop251/goja"

	"github.com/kvclef/kvclef/rules/clefargs"
)

// Info is what a rule file is told when the signer starts.
type Info struct {
	HTTP    string // URL of the HTTP listener, "" if it is off
	IPC     string // path of the IPC listener, "" if it is off
	Version string // of the external API, such as "6.1.0"
}

// Start calls OnSignerStartup, if the file defines it, and keeps what it
// writes into the storage. After an error nothing of that is kept.
func (r *Ruleset) Start(ctx context.Context, info Info) error {
	if !r.defines(onSignerStartup) {
		return nil
	}
	argument, err := jsonArgument(clefargs.StartupOf(info.HTTP, info.IPC, info.Version))
	if err != nil {
		return err
	}
	s := r.session(ctx)
	defer s.rollback()
	if err := r.call(ctx, s, onSignerStartup, argument, func(goja.Value) {}); err != nil {
		return fmt.Errorf("calling %s: %w", onSignerStartup, r.explain(err))
	}
	if err := s.failure(); err != nil {
		return fmt.Errorf("calling %s: %w", onSignerStartup, err)
	}
	if !s.used() {
		return nil
	}
	if err := s.commit(ctx); err != nil {
		return fmt.Errorf("keeping what %s wrote: %w", onSignerStartup, err)
	}
	return nil
}
