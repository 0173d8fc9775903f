package passkey_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules/approval"
)

// TestRemovedBeforeItCounts: a passkey that was removed after it has signed a vote, and
// before the vote is counted, counts for nothing; nor does one that was put in its place.
func TestRemovedBeforeItCounts(t *testing.T) {
	d, on := newDesk(t), device(t)
	d.enrol(t, "alice", on)
	cast, err := d.vote(t, on, ballot())
	if err != nil {
		t.Fatal(err)
	}
	release, err := cast.Stand(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	removed := make(chan error, 1)
	go func() { removed <- d.RemoveBy(t.Context(), "alice", b64(on.ID), "the operator") }()
	select {
	case err := <-removed:
		t.Errorf("it is removed while a vote of it is counted: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	release()
	if err := <-removed; err != nil {
		t.Fatal(err)
	}
	if _, err := cast.Stand(t.Context()); !errors.Is(err, approval.ErrWithdrawn) {
		t.Errorf("a vote of a passkey that is gone: %v", err)
	}
	on.Key = device(t).Key // the same id
	d.enrol(t, "alice", on)
	if _, err := cast.Stand(t.Context()); !errors.Is(err, approval.ErrWithdrawn) {
		t.Errorf("a vote of the key before: %v", err)
	}
}

// TestSignedOutWithoutRecord: who signed in by a passkey that is gone is signed out, also
// where the end can't be recorded.
func TestSignedOutWithoutRecord(t *testing.T) {
	for _, by := range []string{"the operator", "alice"} {
		d, on := newDesk(t), device(t)
		d.enrol(t, "alice", on)
		var told []string
		d.OnRemoved(func(person string) { told = append(told, person) })
		d.journal.fail = errBoom
		err := d.RemoveBy(t.Context(), "alice", b64(on.ID), by)
		keys, unread := d.List(t.Context(), "alice")
		if err == nil || unread != nil || len(keys) != 0 || !slices.Equal(told, []string{"alice"}) {
			t.Errorf("by %s: %v, %v, %d left, told of %q", by, err, unread, len(keys), told)
		}
	}
}
