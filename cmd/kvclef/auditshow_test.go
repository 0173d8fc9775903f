package main

import "testing"

// TestFurtherCalls: the calls of one request over HTTP are shown together, and no others.
func TestFurtherCalls(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{"A-2": true, "A-1000": true, "A": false, "A-": false, "A-b": false, "A-2-3": false, "AB-2": false, "A2": false, "": false} {
		if got := further(id, "A"); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}
