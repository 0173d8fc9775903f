package main

import (
	"cmp"
	"slices"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules"
)

// usedKeys are the idempotency keys of requests that were approved, by these.
type usedKeys map[string]outbox.Logged

// take takes over what an entry tells. A key for which the vault certainly signed nothing is
// free; where no outcome tells, something may have been signed.
func (k usedKeys) take(e *audit.Entry) {
	switch {
	case e.Event == audit.EventDecision && e.Idempotency != nil && e.Verdict == rules.Approve.String():
		k[e.Request] = outbox.Logged{Key: e.Idempotency.Key, Request: e.Idempotency.Request, ID: e.Request, Time: e.Time}
	case e.Event == audit.EventOutcome && e.Outcome == rules.NotSigned.String():
		delete(k, e.Request)
	}
}

// all returns them, of each key the last.
func (k usedKeys) all() []outbox.Logged {
	last := make(map[string]outbox.Logged)
	for _, l := range k {
		if l.Time.After(last[l.Key].Time) {
			last[l.Key] = l
		}
	}
	all := make([]outbox.Logged, 0, len(last))
	for _, l := range last {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b outbox.Logged) int { return cmp.Compare(a.Key, b.Key) })
	return all
}
