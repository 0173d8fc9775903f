package hosting

import (
	"errors"
	"slices"
	"testing"
)

// TestDeletingLooksWhenNothingBegins: on a WebSocket that is open a transaction could
// begin after it was asked whether any is under way.
func TestDeletingLooksWhenNothingBegins(t *testing.T) {
	t.Parallel()
	h := open(t, nil, nil)
	_, made := h.furnish(t, "prod", 1)
	id := made[0].ID
	running := h.stage.act(t, id)
	running.set(func(a *act) { a.inFlight = 1 })
	isRefused(t, "with a transaction", h.DeleteService(t.Context(), home, id, false), ErrInUse, "1 transactions under way")
	running.set(func(a *act) { a.inFlight, a.answers = 0, 2 })
	isRefused(t, "while it answers on a WebSocket", h.DeleteService(t.Context(), home, id, false), ErrInUse, "answers 2 requests")
	broken := h.shelf.records
	h.shelf.records = &faulty{Records: broken, before: errors.New("the disk is full")}
	running.set(func(a *act) { a.answers = 0 })
	if err := h.DeleteService(t.Context(), home, id, true); err == nil {
		t.Error("it is deleted and is kept")
	}
	running.set(func(a *act) {
		if a.paused {
			t.Error("it is still paused, and goes on")
		}
		if !slices.Equal(a.asked, []bool{true, true}) {
			t.Errorf("paused when it was asked: %v", a.asked)
		}
	})
	h.shelf.records = broken
	if err := h.DeleteService(t.Context(), home, id, false); err != nil {
		t.Error(err)
	}
	running.set(func(a *act) {
		if !a.paused {
			t.Error("it was stopped, and let calls in until then")
		}
	})
}
