package main

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// TestLimitsOutliveAPowerCut: what a power cut has taken from the end of the audit log
// counts, by what is in the log's journal, also where another log is begun.
func TestLimitsOutliveAPowerCut(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]string{"the same log": "", "another log": "second.log"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, soundRules, nil)
			p.cfg.Rules.File, p.cfg.Rules.Policy = "", filepath.Join(p.dir.Path(), "policy.yaml")
			p.write(t, p.cfg.Rules.Policy, tenWei)
			p.cfg.Audit.File = p.dir.AuditLog()
			start := func() *durable {
				d, err := openDurable(t.Context(), p.cfg, durableOptions{path: p.cfg.DataDir}, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				if err := d.begin(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				return d
			}
			d := start()
			journal := p.cfg.Audit.File + ".journal"
			state, flushed := p.read(t, p.dir.Store()), p.read(t, p.cfg.Audit.File)
			if verdict := pay(t, d, 1, 6); verdict != rules.Approve {
				t.Errorf("6 of 10 wei: %v", verdict)
			}
			kept := p.read(t, journal)
			if err := d.close(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.write(t, p.dir.Store(), state)
			p.write(t, p.cfg.Audit.File, flushed)
			p.write(t, journal, kept)
			if next != "" {
				p.cfg.Audit.File = filepath.Join(p.dir.Path(), next)
			}
			// Whoever only looks leaves that to the start.
			if _, err := lackedBy(t.Context(), upTo{from: store.LogHead{Log: p.dir.AuditLog()}}, p.cfg.Audit.File, looking); !errors.Is(err, errCrashed) || p.read(t, journal) != kept {
				t.Errorf("looking: %v", err)
			}
			d = start()
			if verdict := pay(t, d, 2, 5); verdict != rules.Reject {
				t.Errorf("11 of 10 wei: %v", verdict)
			}
			if verdict := pay(t, d, 3, 4); verdict != rules.Approve {
				t.Errorf("10 of 10 wei: %v", verdict)
			}
			if err := d.close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
