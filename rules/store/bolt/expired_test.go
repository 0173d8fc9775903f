package bolt_test

import (
	"errors"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// all is a charge of all that a counter can count.
func all(counter string) rules.Charge {
	c := rules.Charge{Counter: counter, Window: time.Hour}
	c.Amount.SetAllOne()
	c.Cap.SetAllOne()
	return c
}

// TestExpiredMakesRoom: what has expired, and is still in the file, takes no room from what
// was reserved afterwards; neither after a crash nor after a failed write.
func TestExpiredMakesRoom(t *testing.T) {
	path := newFile(t)
	var b book
	now, failing := noon(), false
	clock := func() time.Time {
		if failing {
			return time.Time{}
		}
		return now
	}
	store := relying(t, path, &b, bolt.Options{Clock: clock})
	_, err := store.Hold(t.Context(), []rules.Charge{all("a")})
	ok(t, err)
	left := crashed(t, path)
	now = now.Add(2 * time.Hour)
	b.reserve(t, store, charge("a", 7, 10))
	failing = true
	if _, err := store.Hold(t.Context(), []rules.Charge{charge("b", 1, 9)}); err == nil {
		t.Error("it held something at no time")
	}
	failing = false
	if n := used(t, store, "a"); n != 7 {
		t.Errorf("it counts %d after a failed write", n)
	}
	recovered := relying(t, left, &b, bolt.Options{Clock: clock})
	if n := used(t, recovered, "a"); n != 7 {
		t.Errorf("it counts %d after a crash", n)
	}
}

// TestRecoveredInPart: a crash while reservations are counted has none counted twice, of
// which a part has expired.
func TestRecoveredInPart(t *testing.T) {
	path := newFile(t)
	var b book
	now := noon()
	store := relying(t, path, &b, bolt.Options{Clock: func() time.Time { return now }})
	long := charge("long", 5, 10)
	long.Window = 24 * time.Hour
	b.reserve(t, store, charge("short", 1, 10), long)
	if n := used(t, store, "long"); n != 5 { // from here on it is in the file
		t.Errorf("it counts %d", n)
	}
	left := crashed(t, path)
	now = now.Add(2 * time.Hour)
	b.reserve(t, store, charge("late", 1, 10))

	after := open(t, left, bolt.Options{Clock: func() time.Time { return now }})
	for _, want := range []int{1, 0} {
		if n, err := after.Recover(t.Context(), b.after(0)); n != want || err != nil {
			t.Errorf("recovered %d, want %d: %v", n, want, err)
		}
	}
	if n := used(t, after, "long"); n != 5 {
		t.Errorf("it counts %d, and 5 were held", n)
	}
}

// TestNoRoomToRecover: what can't be counted with what the file has is told apart from a
// disk that fails.
func TestNoRoomToRecover(t *testing.T) {
	store := open(t, newFile(t), atNoon())
	_, err := store.Hold(t.Context(), []rules.Charge{all("a")})
	ok(t, err)
	r := rules.Reservation{ID: 9, At: noon(), Charges: []rules.Reserved{{Counter: "a", Amount: all("a").Amount, Expires: noon().Add(time.Hour)}}}
	if n, err := store.Recover(t.Context(), []rules.Reservation{r}); !errors.Is(err, bolt.ErrUncounted) {
		t.Errorf("recovered %d: %v", n, err)
	}
}
