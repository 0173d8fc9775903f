//go:build linux

package replicas_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/kvclef/kvclef/rules/store/postgres/pgtest"
)

// TestTheDatabaseFailsOver: the primary is lost while limits are used up, and its
// synchronous standby takes its place. Replicas find it by themselves, and nothing is
// signed beyond the cap. When the former primary comes back as if nothing had happened,
// a replica that knows no other does not start: what it would hold is on one disk only.
func TestTheDatabaseFailsOver(t *testing.T) {
	t.Parallel()
	_ = program(t) // or there is nothing to do
	primary := pgtest.Start(t)
	name := primary.Database(t)
	standby := primary.Standby(t)
	h := newHouseWith(t, policyFor("local"), primary, fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d,127.0.0.1:%d/%s?sslmode=disable&target_session_attrs=read-write",
		pgtest.User, pgtest.Password, primary.Port, standby.Port, name))
	replicas := h.open(t, 2)
	payers := h.locals(t, replicas)
	for i := range payers {
		payers[i].stays = true
	}

	all := race(t, payers, 0, limit/2, func(begun <-chan struct{}) {
		<-begun
		primary.Kill()
		standby.Promote(t)
	})
	if all.signed == 0 || all.signed > limit/2 {
		t.Errorf("%d were signed of %d", all.signed, limit/2)
	}
	for i, s := range replicas {
		all.add(again(t, payers[i], s, 1000*(1+uint64(i))))
	}
	last := race(t, payers, 10_000, 2*limit, nil)
	for _, err := range last.failed {
		t.Errorf("when the standby has taken over: %v", err)
	}
	all.add(last)
	all.within(t)

	must(t, primary.Start(t.Context()))
	h.configure(t, "signer-2", primary.TCP(name))
	text, err := h.command(t.Context(), "signer-2", "serve").CombinedOutput()
	if err == nil || !strings.Contains(string(text), "commits nothing within 3s: it may wait for a standby") {
		t.Errorf("with the former primary a replica starts, or says something else: %v\n%s", err, text)
	}
	for _, s := range replicas {
		s.end(t, syscall.SIGTERM)
	}
	h.verify(t, 2)
}
