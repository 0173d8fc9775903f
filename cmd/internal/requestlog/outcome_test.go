package requestlog

import (
	"testing"

	"github.com/kvclef/kvclef/rules"
)

// TestOutcomeOfListings: they sign nothing, in logs of every build.
func TestOutcomeOfListings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]rules.Outcome{"listed": rules.NotSigned, "not signed": rules.NotSigned, "signed": rules.Signed, "other": rules.Unknown} {
		if got := outcomeOf(name); got != want {
			t.Errorf("%s is %s", name, got)
		}
	}
}
