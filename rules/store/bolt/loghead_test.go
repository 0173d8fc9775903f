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
	for name, bad := range map[string]bolt.LogHead{
		"no path":  {Seq: 1},
		"no entry": {Log: "/log"},
		"no text":  {Log: "/log/\xff", Seq: 1},
		"too long": {Log: strings.Repeat("x", 1<<18), Seq: 1},
	} {
		if err := store.KeepLogHead(t.Context(), bad); err == nil {
			t.Errorf("%s is kept", name)
		}
	}
}
