package main

import (
	"context"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/cmd/kvclef/hosting"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestHostedPolicyAndThePinnedKey: where attestations must be signed, a policy that
// nobody signed does not come in by way of a hosted service.
func TestHostedPolicyAndThePinnedKey(t *testing.T) {
	t.Parallel()
	const allowing = "version: 1\nrules:\n  - {id: all, effect: allow, match: {kind: text}}\n"
	runner := &hostRunner{signing: &signing{cfg: config.Default(), state: new(durable), decider: rules.NoRules{}}}
	service := hosting.Service{ID: "s1", PolicySource: []byte(allowing)}
	if _, policy, err := runner.decider(service); err != nil || !policy {
		t.Fatalf("%v, %v", policy, err)
	}
	runner.signing.cfg.Rules.AttestKey = "0x7156526fbd7a3c72969b54f64e42c10fbb768c8a"
	if _, _, err := runner.decider(service); err == nil || !strings.Contains(err.Error(), "rules.attest_key") {
		t.Errorf("%v", err)
	}
	service.PolicySource = nil
	if decider, _, err := runner.decider(service); err != nil || decider != (rules.NoRules{}) {
		t.Errorf("%v, %v", decider, err)
	}
	service.PolicySource = []byte("version: 1\nrules:\n  - {id: js, effect: allow, match: {kind: text}, js: rules.js}\n")
	runner.signing.cfg.Rules.AttestKey = ""
	if _, _, err := runner.decider(service); err == nil || !strings.Contains(err.Error(), "rules.js") {
		t.Errorf("%v", err)
	}
}

// TestScopedRecords: what one service keeps is not there for another.
func TestScopedRecords(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	one, other := scopedRecords{all, "hosted/a/"}, scopedRecords{all, "hosted/b/"}
	if err := one.ChangeRecords(t.Context(), rules.Change{Key: "tx/1", New: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if value, err := other.Record(t.Context(), "tx/1"); err != nil || value != nil {
		t.Errorf("%q, %v", value, err)
	}
	var keys []string
	if err := one.EachRecord(t.Context(), "tx/", func(key string, _ []byte) error { keys = append(keys, key); return nil }); err != nil || len(keys) != 1 || keys[0] != "tx/1" {
		t.Errorf("%q, %v", keys, err)
	}
	if err := one.ChangeRecords(t.Context(), rules.Change{New: []byte("x")}); err == nil {
		t.Error("a record without a key is kept")
	}
}

// heldBy notes what is held.
type heldBy struct {
	rules.Ledger
	counters []string
}

func (h *heldBy) Hold(_ context.Context, charges []rules.Charge) (rules.HoldID, error) {
	for _, charge := range charges {
		h.counters = append(h.counters, charge.Counter)
	}
	return 1, nil
}

// TestScopedLedger: limits of the same id in two policies are two limits.
func TestScopedLedger(t *testing.T) {
	t.Parallel()
	noted := new(heldBy)
	charges := []rules.Charge{{Counter: "daily/value"}}
	if _, err := (scopedLedger{noted, "s1/"}).Hold(t.Context(), charges); err != nil || noted.counters[0] != "s1/daily/value" || charges[0].Counter != "daily/value" {
		t.Errorf("%v, %q, %q", err, noted.counters, charges[0].Counter)
	}
	if _, err := (scopedLedger{noted, "s1/"}).Hold(t.Context(), []rules.Charge{{}}); err == nil {
		t.Error("a charge without a counter is counted")
	}
}
