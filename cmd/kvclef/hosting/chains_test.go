package hosting

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

// TestTheChainIsKept: the chain of a service that names none is its node's when it is
// made. A node that tells another later does not change what is signed for.
func TestTheChainIsKept(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	h.stage.chains = []uint64{5}
	c, made := h.furnish(t, "prod", 1)
	if ids := made[0].Details.ChainIDs; !slices.Equal(ids, []uint64{5}) {
		t.Errorf("created: %v", ids)
	}
	h.stage.chains = nil
	named, err := h.CreateService(t.Context(), home, serviceWith(c.ID, `"chain_ids":[7,8]`))
	if err != nil {
		t.Fatal(err)
	}
	h.shut(t)

	s := newStage()
	s.chains = []uint64{1}
	h = open(t, h.records, s)
	if err := h.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.work.Wait()
	for id, want := range map[string][]uint64{made[0].ID: {5}, named.ID: {7, 8}} {
		if given := h.stage.act(t, id).service.Details.ChainIDs; !slices.Equal(given, want) {
			t.Errorf("started with %v, want %v", given, want)
		}
		if kept, err := h.Service(t.Context(), home, id); err != nil || !slices.Equal(kept.Details.ChainIDs, want) {
			t.Errorf("kept: %v, %v", kept.Details.ChainIDs, err)
		}
	}
}

// TestTheVaultOfOneThatDoesNotRun: a service that can't be started may have
// transactions under way, whose nonces another would give again.
func TestTheVaultOfOneThatDoesNotRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, theVaultOfOneThatDoesNotRun)
}

func theVaultOfOneThatDoesNotRun(t *testing.T) {
	h := open(t, nil, nil)
	h.stage.chains = []uint64{5}
	c, made := h.furnish(t, "prod", 1)
	h.shut(t)

	s := newStage()
	s.failure = errors.New("the node is not there")
	h = open(t, h.records, s)
	if err := h.StartAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	s.set(func(s *stage) { s.failure, s.chains = nil, []uint64{5} })
	other, err := h.CreateConfiguration(t.Context(), home, configurationNamed("again")) // of the same vault
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{c.ID, other.ID} {
		for _, details := range [][]string{nil, {`"chain_ids":[5]`}, {`"chain_ids":[6,5]`}} {
			_, err := h.CreateService(t.Context(), home, serviceWith(id, details...))
			isRefused(t, "the same chain", err, ErrInUse, made[0].ID)
		}
	}
	if _, err := h.CreateService(t.Context(), home, serviceWith(other.ID, `"chain_ids":[6]`)); err != nil {
		t.Errorf("another chain: %v", err)
	}
	if err := h.DeleteService(t.Context(), home, made[0].ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.CreateService(t.Context(), home, serviceWith(c.ID)); err != nil {
		t.Errorf("after it was deleted: %v", err)
	}
	if running, _ := s.count(); running != 2 {
		t.Errorf("%d run", running)
	}
}
