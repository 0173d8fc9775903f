package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/cmd/kvclef/config"
	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

const (
	oneLane = `{"version":1,"next":7}`
	oneKey  = `{"version":1,"state":"begun","request":"r","time":"2026-11-26T12:00:00Z"}`
)

func laneKey(of common.Address) string { return fmt.Sprintf("lane/1/%#x", of) }

// isOwned reports what is wrong with an error that should say whose an account is.
func isOwned(t *testing.T, err error, by string) {
	t.Helper()
	var owned *ownedError
	if !errors.As(err, &owned) || owned.by != by || !strings.Contains(err.Error(), by) {
		t.Errorf("%v, want one that names %q", err, by)
	}
}

// TestOneAccountInTwoVaults: the first that has it sends, on each chain.
func TestOneAccountInTwoVaults(t *testing.T) {
	t.Parallel()
	one, two := common.Address{1}, common.Address{2}
	owners := newAccountOwners(openShares(t, memory.NewRecords(), size{100, 10_000}))
	take := func(by string, chain uint64, accounts ...common.Address) error {
		return owners.take(t.Context(), by, []uint64{chain}, accounts...)
	}
	if err := errors.Join(take(ownPart, 1, one), take("a", 2, one), take("a", 2, one)); err != nil {
		t.Fatal(err)
	}
	isOwned(t, take("a", 1, two, one), ownPart)
	isOwned(t, take(ownPart, 2, one), "a")
	if err := take("b", 1, two); err != nil { // which the first did not take
		t.Fatal(err)
	}
	// A key that comes to a vault later does not bring its account.
	has := func(by string, account common.Address) bool { return owners.has(t.Context(), by, []uint64{1}, account) }
	if has("a", one) || has("b", one) || !has(ownPart, one) || !has("b", two) || has(ownPart, two) {
		t.Error("it is used by another, or not by whose it is")
	}
	if three := (common.Address{3}); !has("b", three) || has("a", three) {
		t.Error("a new one is nobody's, or everybody's")
	}
	owners.release("b")
	if !has("a", two) {
		t.Error("it was not given back")
	}
}

// TestAccountsOfServicesThatDoNotRun: what they have sent may be under way.
func TestAccountsOfServicesThatDoNotRun(t *testing.T) {
	t.Parallel()
	one := common.Address{1}
	all := memory.NewRecords()
	change(t, all, rules.Change{Key: "sealed/hosted/service/a", New: []byte("sealed")}, rules.Change{Key: "hosted/a/" + laneKey(one), New: []byte(oneLane)})
	owners := newAccountOwners(openShares(t, all, size{100, 10_000}))
	isOwned(t, owners.take(t.Context(), "b", []uint64{1}, one), "a")
	isOwned(t, owners.take(t.Context(), ownPart, []uint64{1}, one), "a")
	if owners.has(t.Context(), "b", []uint64{1}, one) {
		t.Error("it is used")
	}
	if err := owners.take(t.Context(), "b", []uint64{2}, one); err != nil {
		t.Error(err)
	}
	if err := owners.take(t.Context(), "a", []uint64{1}, one); err != nil {
		t.Error(err)
	}
}

// TestWhatADeletedServiceLeaves goes to whoever has its accounts, once, and to nobody
// who runs already.
func TestWhatADeletedServiceLeaves(t *testing.T) {
	t.Parallel()
	one, two := common.Address{1}, common.Address{2}
	all := memory.NewRecords()
	change(t, all, rules.Change{Key: "hosted/a/" + laneKey(one), New: []byte(oneLane)}, rules.Change{Key: "hosted/a/" + laneKey(two), New: []byte(oneLane)})
	owners := newAccountOwners(openShares(t, all, size{100, 10_000}))
	if owners.has(t.Context(), "b", []uint64{1}, one) {
		t.Error("who runs would not know what is left")
	}
	if err := owners.take(t.Context(), "b", []uint64{1}, one); err != nil {
		t.Fatal(err)
	}
	if err := owners.take(t.Context(), ownPart, []uint64{1}, two); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"hosted/b/" + laneKey(one), laneKey(two)} {
		if value, err := all.Record(t.Context(), key); err != nil || string(value) != oneLane {
			t.Errorf("%s: %q, %v", key, value, err)
		}
	}
	if left := owners.records.ids(); len(left) != 1 || left[0] != "b" {
		t.Errorf("left: %q", left)
	}
}

// TestManyTakeAtOnce: one has all, and all that was left.
func TestManyTakeAtOnce(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	var accounts []common.Address
	for i := range 50 {
		accounts = append(accounts, common.Address{byte(i + 1)})
		change(t, all, rules.Change{Key: "hosted/dead/" + laneKey(accounts[i]), New: []byte(oneLane)})
	}
	owners := newAccountOwners(openShares(t, all, size{1000, 100_000}))
	var group sync.WaitGroup
	var took atomic.Int32
	for i := range 8 {
		group.Go(func() {
			id := fmt.Sprintf("s%d", i)
			err := owners.take(t.Context(), id, []uint64{1}, accounts...)
			if err == nil {
				took.Add(1)
			} else if owned := new(ownedError); !errors.As(err, &owned) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if left := owners.records.ids(); took.Load() != 1 || len(left) != 1 || owners.records.all.records != 50 {
		t.Errorf("%d took it, and %q have %+v", took.Load(), left, owners.records.all)
	}
}

// TestSweepAfterACrash: of a service that was deleted by a process that ended then,
// goes what need not stay; of one that there is, nothing.
func TestSweepAfterACrash(t *testing.T) {
	t.Parallel()
	all := memory.NewRecords()
	change(t, all,
		rules.Change{Key: "sealed/hosted/service/a", New: []byte("sealed")}, rules.Change{Key: "hosted/a/idem/default/1", New: []byte(oneKey)},
		rules.Change{Key: "hosted/b/idem/default/1", New: []byte(oneKey)}, rules.Change{Key: "hosted/b/" + laneKey(common.Address{1}), New: []byte(oneLane)},
		rules.Change{Key: "idem/default/1", New: []byte(oneKey)})
	s := &signing{cfg: config.Default(), log: slog.New(slog.DiscardHandler)}
	runner := s.newHostRunner(openShares(t, all, size{100, 10_000}), nil)
	begun := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{time.Minute, 5}, {s.cfg.Proxy.Retain - time.Minute, 5}, {s.cfg.Proxy.Retain + time.Minute, 4}} {
		if err := runner.sweepOnce(t.Context(), begun.Add(step.after)); err != nil {
			t.Fatal(err)
		}
		var left []string
		if err := all.EachRecord(t.Context(), "", func(key string, _ []byte) error { left = append(left, key); return nil }); err != nil || len(left) != step.left {
			t.Errorf("after %s: %q, %v", step.after, left, err)
		}
		if value, _ := all.Record(t.Context(), "hosted/b/"+laneKey(common.Address{1})); value == nil {
			t.Error("the lane is gone")
		}
	}
}

// TestGateEnds: who waits for the end is told when the last has left, once.
func TestGateEnds(t *testing.T) {
	t.Parallel()
	var g gate
	told := 0
	if !g.enter() || !g.enter() {
		t.Fatal("it is shut")
	}
	g.end(func() { told++ })
	if g.enter() || told != 0 {
		t.Errorf("it is open, or told %d times", told)
	}
	g.leave()
	g.leave()
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	g.end(func() { told++ })
	if told != 2 {
		t.Error("who comes later is not told")
	}
}
