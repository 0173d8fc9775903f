package main

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/kvclef/kvclef/extapi/audit"
	"github.com/kvclef/kvclef/extapi/proxy/outbox"
	"github.com/kvclef/kvclef/rules"
)

// manyKeys is how many idempotency keys are read before those that are no longer kept are
// dropped.
const manyKeys = 1 << 15

// usedKeys are the idempotency keys of requests that were approved, as an audit log tells
// them, and that are still kept: for so long, by the log's own time, since a clock that is
// ahead must make nobody pay twice.
type usedKeys struct {
	kept   time.Duration // 0: for ever
	latest time.Time     // of the entries
	most   int
	by     map[string]outbox.Logged // by request
}

func newUsedKeys(kept time.Duration) *usedKeys {
	return &usedKeys{kept: kept, most: manyKeys, by: make(map[string]outbox.Logged)}
}

// take takes over what an entry tells. A key for which the vault certainly signed nothing is
// free; where no outcome tells, something may have been signed.
func (k *usedKeys) take(e *audit.Entry) {
	if k.latest.Before(e.Time) {
		k.latest = e.Time
	}
	switch {
	case e.Event == audit.EventDecision && e.Idempotency != nil && e.Verdict == rules.Approve.String():
		k.by[e.Request] = outbox.Logged{Key: e.Idempotency.Key, Request: e.Idempotency.Request, ID: e.Request, Time: e.Time}
	case e.Event == audit.EventOutcome && e.Outcome == rules.NotSigned.String():
		delete(k.by, e.Request)
	}
	if len(k.by) > k.most {
		k.drop()
		k.most = 2*len(k.by) + manyKeys
	}
}

// drop drops the keys that are no longer kept.
func (k *usedKeys) drop() {
	if k.kept > 0 {
		maps.DeleteFunc(k.by, func(_ string, l outbox.Logged) bool { return k.latest.Sub(l.Time) > k.kept })
	}
}

// all returns those that are kept, of each key the last.
func (k *usedKeys) all() []outbox.Logged {
	k.drop()
	last := make(map[string]outbox.Logged)
	for _, l := range k.by {
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
