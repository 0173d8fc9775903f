package hosting

import (
	"maps"
	"slices"
	"testing"

	"github.com/kvclef/kvclef/rules/store/memory"
)

// TestLooking finds services in whatever scope, with what runs of them, and tells of
// those that are deleted.
func TestLooking(t *testing.T) {
	t.Parallel()
	records, stage := memory.NewRecords(), newStage()
	var deleted []string
	r, err := Open(t.Context(), Config{Records: records, Seal: newSeal(t, 7), Runner: stage, Deleted: func(id string) {
		if !stage.act(t, id).isStopped() {
			t.Error("told before it was stopped")
		}
		deleted = append(deleted, id)
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Registry: r, stage: stage, records: records}
	defer h.shut(t)
	_, made := h.furnish(t, "kv-prod", 2)
	ids := []string{made[0].ID, made[1].ID}
	slices.Sort(ids)
	kept := func() []string {
		found, err := ServiceIDs(t.Context(), records)
		if err != nil {
			t.Error(err)
		}
		return slices.Sorted(maps.Keys(found))
	}
	if all := h.All(); len(all) != 2 || all[0].ID != ids[0] || all[1].ID != ids[1] || all[0].Name != "signer" {
		t.Errorf("%+v", all)
	}
	if got := kept(); !slices.Equal(got, ids) {
		t.Errorf("kept: %q", got)
	}
	if health, running, err := h.Find(ids[0]); err != nil || health.State != Started || running != Running(stage.act(t, ids[0])) {
		t.Errorf("%+v, %v, %v", health, running, err)
	}
	if err := h.DeleteService(t.Context(), home, ids[0], false); err != nil {
		t.Fatal(err)
	}
	if got := kept(); len(got) != 1 || got[0] != ids[1] || !slices.Equal(deleted, ids[:1]) {
		t.Errorf("kept: %q, deleted: %q", got, deleted)
	}
	_, _, err = h.Find(ids[0])
	isRefused(t, "a deleted one", err, ErrNotFound, ids[0])
}
