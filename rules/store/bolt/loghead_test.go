package bolt_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestLogHeads: each log has a head of its own, kept over a restart, and as many
// as may be are remembered.
func TestLogHeads(t *testing.T) {
	path := newFile(t)
	store := open(t, path, bolt.Options{})
	head := func(n int) bolt.LogHead {
		return bolt.LogHead{Log: fmt.Sprintf("/log/%d", n), Seq: uint64(n), Hash: strings.Repeat("a", 64), Time: noon()}
	}
	if heads, err := store.LogHeads(t.Context()); heads != nil || err != nil {
		t.Fatalf("an empty store: %v, %v", heads, err)
	}
	for n := 1; n <= 17; n++ {
		ok(t, store.KeepLogHead(t.Context(), head(n)))
	}
	longer := head(5)
	longer.Seq = 500
	ok(t, store.KeepLogHead(t.Context(), longer))
	ok(t, store.Close())
	store = open(t, path, bolt.Options{})
	var want []bolt.LogHead // without the one used longest ago
	for n := 2; n <= 17; n++ {
		if n != 5 {
			want = append(want, head(n))
		}
	}
	want = append(want, longer)
	if got, err := store.LogHeads(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}

	// Of a log that was only read the time stays, and the place; one that is new is at the
	// beginning, if there is room.
	read := bolt.LogHead{Log: "/log/7", Seq: 700, Hash: strings.Repeat("b", 64)}
	ok(t, store.KeepLogHead(t.Context(), read))
	ok(t, store.KeepLogHead(t.Context(), bolt.LogHead{Log: "/log/new", Seq: 1, Hash: read.Hash}))
	read.Time = noon()
	want[slices.Index(want, head(7))] = read
	if got, err := store.LogHeads(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	fresh := open(t, newFile(t), bolt.Options{})
	news := []bolt.LogHead{{Log: "/log/new", Seq: 1, Hash: read.Hash}, head(2)}
	ok(t, fresh.KeepLogHead(t.Context(), news[1]))
	ok(t, fresh.KeepLogHead(t.Context(), news[0]))
	if got, err := fresh.LogHeads(t.Context()); err != nil || !slices.Equal(got, news) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, bad := range map[string]bolt.LogHead{
		"no path":  {Seq: 1},
		"no entry": {Log: "/log"},
		"no text":  {Log: "/log/\xff", Seq: 1},
		"too long": {Log: strings.Repeat("x", 1<<18), Seq: 1, Time: noon()},
	} {
		if err := store.KeepLogHead(t.Context(), bad); err == nil {
			t.Errorf("%s is kept", name)
		}
	}
}
