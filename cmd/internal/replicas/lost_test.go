//go:build linux

package replicas_test

import (
	"strings"
	"syscall"
	"testing"
)

// TestTheDatabaseIsLost, and there is no backup: an empty one does not pass for it, and a new
// schema is made on purpose, as docs/operations.md says. The audit logs of before go on.
func TestTheDatabaseIsLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, policyFor("local"))
	replicas := h.open(t, 2)
	all := race(t, h.locals(t, replicas), 0, 2*limit, nil)
	all.exactly(t)
	for _, s := range replicas {
		s.end(t, syscall.SIGTERM)
	}

	h.dsn = h.database.TCP(h.database.Database(t))
	for _, name := range names(2) {
		h.write(t, name+".dsn", h.dsn)
		text, err := h.command(t.Context(), name, "serve").CombinedOutput()
		if err == nil || !strings.Contains(string(text), "kvclef init") {
			t.Errorf("%s starts with an empty database, or says something else: %v\n%s", name, err, text)
		}
	}
	text, err := h.command(t.Context(), "signer-0", "init").CombinedOutput()
	if err == nil || !strings.Contains(string(text), "there is no state at PostgreSQL") {
		t.Errorf("an empty state is made beside a log that has entries: %v\n%s", err, text)
	}
	if text := h.run(t, "signer-0", "init", "--forget-limits"); !strings.Contains(text, "what it spent of limits is not known here") {
		t.Errorf("that the log is of another state is not told:\n%s", text)
	}
	h.run(t, "signer-1", "init")
	h.attest(t)
	for i, name := range names(2) {
		s := h.start(t, name)
		again(t, h.local(t, s), s, uint64(1000*(i+1)))
		s.end(t, syscall.SIGTERM)
	}
	h.verify(t, 2)
}
