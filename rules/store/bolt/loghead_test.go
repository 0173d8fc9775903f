package bolt_test

import (
	"fmt"
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
	if _, found, err := store.LogHead(t.Context(), "/log/1"); found || err != nil {
		t.Fatalf("an empty store: %v, %v", found, err)
	}
	for n := 1; n <= 17; n++ {
		ok(t, store.KeepLogHead(t.Context(), head(n)))
	}
	longer := head(5)
	longer.Seq = 500
	ok(t, store.KeepLogHead(t.Context(), longer))
	ok(t, store.Close())
	store = open(t, path, bolt.Options{})
	for n := 2; n <= 17; n++ {
		want := head(n)
		if n == 5 {
			want = longer
		}
		if got, found, err := store.LogHead(t.Context(), want.Log); err != nil || !found || got != want {
			t.Errorf("%d: got %+v, %v, %v", n, got, found, err)
		}
	}
	if _, found, err := store.LogHead(t.Context(), "/log/1"); found || err != nil {
		t.Errorf("the one used longest ago: %v, %v", found, err)
	}
	for name, bad := range map[string]bolt.LogHead{
		"no path":  {Seq: 1},
		"no entry": {Log: "/log"},
		"too long": {Log: strings.Repeat("x", 1<<18), Seq: 1},
	} {
		if err := store.KeepLogHead(t.Context(), bad); err == nil {
			t.Errorf("%s is kept", name)
		}
	}
}
