package approval_test

import (
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/kvclef/kvclef/rules"
)

// TestListedByBoth: what a rule file hides of a listing stays hidden when people approve it.
func TestListedByBoth(t *testing.T) {
	t.Parallel()
	one, two := common.Address{1}, common.Address{2}
	for name, shown := range map[string][]common.Address{"all": nil, "one": {one}, "none": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, nil)
			engine := h.scripted(t, `approvals:
  board: {threshold: 1, of: [bob], wait: 0s}
rules:
  - {id: list, effect: allow, match: {principal: [local], kind: [list]}, js: a.js, approvals: board}
`, rules.Decision{Verdict: rules.Approve, Listed: shown})
			req := &rules.Request{
				ID: "r", Kind: rules.KindList, Method: "account_list", Principal: "local", Caller: rules.Caller{Transport: "ipc"},
				Accounts: []rules.Account{{Address: one}, {Address: two}},
			}
			first := decide(t, engine, req)
			if err := h.vote(t, first.Ticket, "bob", true); err != nil {
				t.Fatal(err)
			}
			got := decide(t, engine, req)
			if got.Verdict != rules.Approve || got.Ticket != first.Ticket || (got.Listed == nil) != (shown == nil) || !slices.Equal(got.Listed, shown) {
				t.Errorf("%v %q shows %v, want %v", got.Verdict, got.Reason, got.Listed, shown)
			}
		})
	}
}
