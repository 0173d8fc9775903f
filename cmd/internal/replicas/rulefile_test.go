//go:build linux

package replicas_test

import (
	"strings"
	"syscall"
	"testing"
)

// countingRules let 100 wei be paid. They count in the storage what was signed, as Clef's
// examples do, so that between the question and the count no other replica may ask.
const countingRules = `
function spent() { return Number(storage.get("spent")) }
function ApproveTx(r) { return spent() + Number(r.transaction.value) > 100 ? "Reject" : "Approve" }
function OnApprovedTx(r) { storage.put("spent", String(spent() + Number(r.tx.value))) }
`

// TestOneCapOfARuleFile: what a rule file keeps is one for all replicas, and a limit that it
// counts by itself is held over all of them.
func TestOneCapOfARuleFile(t *testing.T) {
	t.Parallel()
	h := newHouse(t, policyFor("local"))
	h.rules = "rules.js"
	h.write(t, h.rules, countingRules)
	replicas := h.open(t, 2)
	payers := h.locals(t, replicas)
	for i := range payers {
		payers[i].stays = true
	}
	all := race(t, payers, 0, 2*limit, nil)
	failed := all.failed
	all.failed = nil
	for _, err := range failed { // a rule file is not named to who is denied
		if err.Error() == "request denied" {
			all.denied++
			continue
		}
		all.failed = append(all.failed, err)
	}
	all.within(t)
	for _, s := range replicas {
		s.end(t, syscall.SIGTERM)
		if n := h.signedBy(t, s); n == 0 {
			t.Errorf("%s signed nothing", s.name)
		}
	}
	if text := h.run(t, "signer-0", "state", "show", "--values"); !strings.Contains(text, `"spent": "100"`) {
		t.Errorf("the state shows\n%s", text)
	}
	h.verify(t, len(replicas))
}
