package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// SharedRecords are records that several processes may have open.
type SharedRecords interface {
	rules.Records
	rules.Shared
}

// TestShared checks records that are shared. Open returns an empty store, as two
// who share it have it open.
func TestShared(t *testing.T, open func(t *testing.T) (one, other SharedRecords)) {
	for name, story := range map[string]func(t *testing.T, one, other SharedRecords){
		"lock":        lockExcludes,
		"lock order":  lockOrder,
		"lock ending": lockEnding,
		"since":       recordsSince,
		"since error": recordsSinceError,
		"following":   recordsFollowed,
	} {
		t.Run(name, func(t *testing.T) {
			one, other := open(t)
			story(t, one, other)
		})
	}
}

func lock(t testing.TB, shared rules.Shared, name string) func() {
	t.Helper()
	release, err := shared.Lock(t.Context(), name)
	ok(t, "locking", err)
	return release
}

// lockExcludes has all clients be in the same rooms, one at a time.
func lockExcludes(t *testing.T, one, other SharedRecords) {
	const each, rooms = 3, 3
	var all sync.WaitGroup
	var inside, entered [rooms]atomic.Int64
	for client := range clients {
		shared := []SharedRecords{one, other}[client%2]
		all.Go(func() {
			for i := range each {
				room := (client + i) % rooms
				release, err := shared.Lock(t.Context(), fmt.Sprint("room/", room))
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside[room].Add(1); n != 1 {
					t.Errorf("%d are in room %d", n, room)
				}
				entered[room].Add(1)
				inside[room].Add(-1)
				release()
				release() // once more, of nobody's
			}
		})
	}
	all.Wait()
	if sum := entered[0].Load() + entered[1].Load() + entered[2].Load(); sum != clients*each {
		t.Errorf("%d entered of %d", sum, clients*each)
	}
}

// lockOrder lets the one in who came before.
func lockOrder(t *testing.T, one, other SharedRecords) {
	release := lock(t, one, "a")
	lock(t, other, "b")() // another does not wait
	came := make(chan struct{})
	go func() {
		defer close(came)
		release, err := other.Lock(t.Context(), "a")
		if err != nil {
			t.Error(err)
			return
		}
		release()
	}()
	select {
	case <-came:
		t.Error("two have a lock")
	default:
	}
	release()
	<-came
	lock(t, one, "a")()
}

// lockEnding leaves nothing behind when a waiter goes.
func lockEnding(t *testing.T, one, other SharedRecords) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	switch release, err := one.Lock(gone, "a"); {
	case err == nil: // it was free
		release()
	case !errors.Is(err, context.Canceled):
		t.Errorf("locking when nobody waits: %v", err)
	}
	for range 4 {
		release := lock(t, one, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 8 {
			shared := []SharedRecords{one, other}[i%2]
			all.Go(func() {
				if release, err := shared.Lock(ctx, "a"); err == nil {
					release()
				}
			})
		}
		all.Go(cancel)
		all.Go(release)
		all.Wait()
	}
	lock(t, one, "a")()
	lock(t, other, "a")()
}

// told is what a reading since a mark tells.
func told(t testing.TB, shared rules.Shared, prefix string, since rules.Mark) (map[string]string, rules.Mark) {
	t.Helper()
	found := make(map[string]string)
	mark, err := shared.RecordsSince(t.Context(), prefix, since, func(key string, value []byte) error {
		found[key] = string(value)
		if value == nil {
			found[key] = "removed"
		}
		return nil
	})
	ok(t, "reading since a mark", err)
	return found, mark
}

func recordsSince(t *testing.T, one, other SharedRecords) {
	change(t, one, "a/1", nil, []byte("1"))
	change(t, one, "a/2", nil, []byte{})
	change(t, one, "b/1", nil, []byte("1"))
	found, mark := told(t, other, "a/", 0)
	if want := map[string]string{"a/1": "1", "a/2": ""}; !maps.Equal(found, want) {
		t.Fatalf("from the beginning: %v", found)
	}
	change(t, one, "a/1", []byte("1"), []byte("2"))
	change(t, one, "a/2", []byte{}, nil)
	change(t, other, "a/3", nil, []byte("3"))
	change(t, one, "b/1", []byte("1"), []byte("2"))
	for _, shared := range []SharedRecords{one, other} {
		found, next := told(t, shared, "a/", mark)
		if want := map[string]string{"a/1": "2", "a/2": "removed", "a/3": "3"}; !maps.Equal(found, want) || next <= mark {
			t.Fatalf("since %d: %v, and then %d", mark, found, next)
		}
	}
	_, mark = told(t, other, "a/", mark)
	change(t, other, "a/2", nil, []byte("again"))
	change(t, one, "a/3", []byte("3"), nil)
	change(t, one, "a/3", nil, []byte("back"))
	if found, _ := told(t, one, "a/", mark); found["a/2"] != "again" || found["a/3"] != "back" {
		t.Fatalf("what came back: %v", found)
	}
	_, mark = told(t, other, "a/", mark)
	change(t, one, "a/2", []byte("again"), nil)
	change(t, one, "a/3", []byte("back"), nil)
	if found, _ := told(t, one, "", mark); found["a/2"] != "removed" || found["a/3"] != "removed" {
		t.Fatalf("what was removed: %v", found)
	}
}

// recordsSinceError goes on from the same mark.
func recordsSinceError(t *testing.T, one, other SharedRecords) {
	change(t, one, "a/1", nil, []byte("1"))
	change(t, one, "a/2", nil, []byte("2"))
	enough := errors.New("enough")
	mark, err := other.RecordsSince(t.Context(), "a/", 0, func(string, []byte) error { return enough })
	if !errors.Is(err, enough) || mark != 0 {
		t.Fatalf("mark %d, %v", mark, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := other.RecordsSince(gone, "a/", 0, func(string, []byte) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("reading when nobody waits: %v", err)
	}
	if found, _ := told(t, other, "a/", mark); len(found) != 2 {
		t.Fatalf("%v", found)
	}
}

// recordsFollowed has some follow the changes that others make: they miss none.
func recordsFollowed(t *testing.T, one, other SharedRecords) {
	const writers, changes, keys = 8, 24, 5
	var writing, following sync.WaitGroup
	ended := make(chan struct{})
	for writer := range writers {
		shared := []SharedRecords{one, other}[writer%2]
		writing.Go(func() {
			random := rand.New(rand.NewPCG(uint64(writer), 3))
			for i := range changes {
				key := fmt.Sprint("f/", random.IntN(keys))
				old, err := shared.Record(t.Context(), key)
				if err != nil {
					t.Error(err)
					return
				}
				c := rules.Change{Key: key, Old: old, New: []byte(strconv.Itoa(writer*changes + i))}
				if random.IntN(4) == 0 {
					c.New = nil
				}
				if err := shared.ChangeRecords(t.Context(), c); err != nil && !errors.Is(err, rules.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	for follower := range 4 {
		shared := []SharedRecords{one, other}[follower%2]
		following.Go(func() {
			seen := make(map[string][]byte)
			var mark rules.Mark
			for last := false; ; {
				next, err := shared.RecordsSince(t.Context(), "f/", mark, func(key string, value []byte) error {
					if value == nil {
						delete(seen, key)
					} else {
						seen[key] = value
					}
					return nil
				})
				if err != nil || next < mark {
					t.Errorf("mark %d after %d: %v", next, mark, err)
					return
				}
				mark = next
				if last {
					break
				}
				select {
				case <-ended:
					last = true
				default:
				}
			}
			for _, r := range eachRecord(t, shared, "f/") {
				if !bytes.Equal(seen[r.key], r.value) || !strings.HasPrefix(r.key, "f/") {
					t.Errorf("%q is %q, and %q was seen", r.key, r.value, seen[r.key])
				}
				delete(seen, r.key)
			}
			if len(seen) > 0 {
				t.Errorf("removed, and not seen so: %v", seen)
			}
		})
	}
	writing.Wait()
	close(ended)
	following.Wait()
}
