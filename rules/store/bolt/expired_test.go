package bolt_test

import (
	"errors"
	"slices"
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
	now = now.Add(time.Hour) // in this moment
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

// TestRecoveredInAnyOrder: reservations keep their ids in whatever order they are given, so
// that they are found when a start that was cut off is made again.
func TestRecoveredInAnyOrder(t *testing.T) {
	path := newFile(t)
	var b book
	store := relying(t, path, &b, atNoon())
	left := crashed(t, path)
	var ids []rules.HoldID
	for range 3 {
		ids = append(ids, b.reserve(t, store, charge("a", 2, 9)))
	}
	given := b.after(0)
	slices.Reverse(given)
	recovered := open(t, left, atNoon())
	for _, want := range []int{3, 0} {
		if n, err := recovered.Recover(t.Context(), given); n != want || err != nil {
			t.Errorf("recovered %d, want %d: %v", n, want, err)
		}
	}
	for _, id := range ids {
		ok(t, recovered.Release(t.Context(), id))
	}
	if n := used(t, recovered, "a"); n != 0 {
		t.Errorf("it counts %d", n)
	}
	if relied := inspect(t, left).Relied; relied != nil { // whether it relies on a log again or not
		t.Errorf("all is recovered, and it looks for more after %+v", relied)
	}
}

// TestRecoveredTime: the time of what is recovered counts, so that a clock that was set back
// before the start forgets nothing early.
func TestRecoveredTime(t *testing.T) {
	path := newFile(t)
	var b book
	now := noon()
	store := relying(t, path, &b, bolt.Options{Clock: func() time.Time { return now }})
	left := crashed(t, path)
	now = now.Add(10 * time.Hour)
	b.reserve(t, store, charge("a", 1, 9))

	now = noon()
	recovered := relying(t, left, &b, bolt.Options{Clock: func() time.Time { return now }})
	_, err := recovered.Hold(t.Context(), []rules.Charge{charge("a", 2, 9)})
	ok(t, err)
	for after, want := range map[time.Duration]uint64{11*time.Hour - 1: 3, 11 * time.Hour: 0} {
		now = noon().Add(after)
		if n := used(t, recovered, "a"); n != want {
			t.Errorf("after %v it counts %d, want %d", after, n, want)
		}
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
