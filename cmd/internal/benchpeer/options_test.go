package main

import (
	"slices"
	"testing"
)

func TestLists(t *testing.T) {
	if got, err := among(names(), "clef-free,kvclef-js"); err != nil || !slices.Equal(got, []string{clefFree, kvclefAfter}) {
		t.Errorf("contenders %q, %v", got, err)
	}
	if got, err := numbers("1,64"); err != nil || !slices.Equal(got, []int{1, 64}) {
		t.Errorf("callers %d, %v", got, err)
	}
	for _, text := range []string{"", "clef", "clef-free,", "clef-free, kvclef-js"} {
		if got, err := among(names(), text); err == nil {
			t.Errorf("%q are %q", text, got)
		}
	}
	for _, text := range []string{"", "0", "-1", "1,", "1 2", "x"} {
		if got, err := numbers(text); err == nil {
			t.Errorf("%q are %d", text, got)
		}
	}
}
