package hosting

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// stormy are records of one replica whose connection is bad for a while: what it asks for
// is refused, or done without an answer.
type stormy struct {
	rules.Records
	bad atomic.Bool
}

var errStorm = errors.New("the database is away")

func (s *stormy) wait() (lost bool) {
	for range rand.N(20) {
		runtime.Gosched()
	}
	return s.bad.Load() && rand.N(4) == 0
}

func (s *stormy) Record(ctx context.Context, key string) ([]byte, error) {
	if s.wait() {
		return nil, errStorm
	}
	return s.Records.Record(ctx, key)
}

func (s *stormy) EachRecord(ctx context.Context, prefix string, do func(key string, value []byte) error) error {
	if s.wait() {
		return errStorm
	}
	return s.Records.EachRecord(ctx, prefix, do)
}

func (s *stormy) ChangeRecords(ctx context.Context, changes ...rules.Change) error {
	lost := s.wait()
	if lost && rand.N(2) == 0 {
		return errStorm
	}
	err := s.Records.ChangeRecords(ctx, changes...)
	if lost {
		return errStorm
	}
	return err
}

// TestReplicasStorm: whatever becomes of making and deleting at several replicas whose
// connections are bad, what is kept has no vault twice on one chain, and when it is over
// each replica runs what is served and nothing else, and all can be deleted.
func TestReplicasStorm(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, storm)
	}
}

func storm(t *testing.T) {
	all := memory.NewRecords()
	var houses []*house
	var lines []*stormy
	for _, name := range []string{"a", "b", "c"} {
		line := &stormy{Records: all}
		lines = append(lines, line)
		houses = append(houses, (&town{records: line}).join(t, name))
	}
	c, err := houses[0].CreateConfiguration(t.Context(), home, configurationNamed("prod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		line.bad.Store(true)
	}
	var group sync.WaitGroup
	for n := range 9 {
		h := houses[n%len(houses)]
		group.Go(func() {
			for range 10 {
				if rand.N(2) == 0 {
					_, _ = h.CreateService(t.Context(), home, serviceWith(c.ID, []string{`"chain_ids":[1]`, `"chain_ids":[2,3]`, `"chain_ids":[3]`}[rand.N(3)])) // it may be refused
					continue
				}
				kept, _ := h.Services(t.Context(), home) // or nothing is done
				if len(kept) > 0 {
					_ = h.DeleteService(t.Context(), home, kept[rand.N(len(kept))].ID, rand.N(2) == 0) // likewise
				}
			}
		})
		group.Go(func() { apart(t, all) })
	}
	group.Wait()
	for _, line := range lines {
		line.bad.Store(false)
	}
	follows()
	follows()
	served := apart(t, all)
	for _, h := range houses {
		var runs []string
		for _, one := range h.All() {
			if one.State == Started {
				runs = append(runs, one.ID)
			}
		}
		running, _ := h.stage.count()
		if running != len(h.All()) {
			t.Errorf("%s: %d run, and known are %d", h.replica, running, len(h.All()))
		}
		for _, id := range served {
			if !slices.Contains(runs, id) {
				t.Errorf("%s does not run %s: %v", h.replica, id, runs)
			}
		}
	}
	kept, err := houses[1].Services(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range kept {
		if err := houses[rand.N(3)].DeleteService(t.Context(), home, s.ID, false); err != nil {
			t.Error(err)
		}
	}
	follows()
	for _, h := range houses {
		if running, _ := h.stage.count(); running != 0 || len(h.All()) != 0 {
			t.Errorf("%s: %d run, %+v", h.replica, running, h.All())
		}
	}
	if err := houses[2].DeleteConfiguration(t.Context(), home, c.ID); err != nil {
		t.Error(err)
	}
}

// apart looks whether what is kept excludes each other, and returns what is served.
func apart(t *testing.T, all rules.Records) (served []string) {
	t.Helper()
	kept, err := (&shelf{all, newSeal(t, 7)}).load(t.Context())
	if err != nil {
		t.Error(err)
		return nil
	}
	by := make(map[uint64]string)
	for id, s := range kept.services {
		if kept.serving[id] == serveOpen {
			served = append(served, id)
		}
		for _, chain := range s.Details.ChainIDs {
			if other := by[chain]; other != "" {
				t.Errorf("%s and %s on chain %d", id, other, chain)
			}
			by[chain] = id
		}
	}
	return served
}
