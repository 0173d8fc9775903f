package extapi

import (
	"fmt"
	"testing"
)

// TestShares: whoever takes all it gets leaves places for the next, and what is given back
// can be had again.
func TestShares(t *testing.T) {
	for _, c := range []struct {
		apart bool
		want  map[string]int
	}{
		{true, map[string]int{"a": 32, "b": 16, "c": 8}},
		{false, map[string]int{"a": 64, "b": 0, "c": 0}},
	} {
		places, has := NewShares(64, c.apart), map[string]int{}
		for _, principal := range []string{"a", "b", "c"} {
			for has[principal] = 0; places.Enter(principal); has[principal]++ {
			}
		}
		if fmt.Sprint(has) != fmt.Sprint(c.want) {
			t.Errorf("told apart %v: they have %v, want %v", c.apart, has, c.want)
		}
		places.Leave("a")
		if !places.Enter("c") {
			t.Errorf("told apart %v: the place that was given back is not one", c.apart)
		}
		has["a"]--
		has["c"]++
		for principal, n := range has {
			for range n {
				places.Leave(principal)
			}
		}
		if places.left != 64 || len(places.of) != 0 {
			t.Errorf("told apart %v: %d are left and %v are held", c.apart, places.left, places.of)
		}
	}
}
