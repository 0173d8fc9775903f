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
// them, and that are still kept: for so long, by the log's own time or by the clock, whichever
// is earlier, since a clock that is ahead, or was when an entry was written, must make nobody
// pay twice.
type usedKeys struct {
	kept   time.Duration // 0: for ever
	now    time.Time
	latest time.Time // of the entries
	most   int
	by     map[string]usedKey // by request
}

// usedKey is the use of a key, and whether the vault signed or may have signed for it.
type usedKey struct {
	outbox.Logged

	spent bool
}

func newUsedKeys(kept time.Duration, now time.Time) *usedKeys {
	return &usedKeys{kept: kept, now: now, most: manyKeys, by: make(map[string]usedKey)}
}

// take takes over what an entry tells. A key for which the vault certainly signed nothing is
// free; where no outcome tells, something may have been signed. A request may be decided several
// times, as for another nonce.
func (k *usedKeys) take(e *audit.Entry) {
	if k.latest.Before(e.Time) {
		k.latest = e.Time
	}
	switch {
	case e.Event == audit.EventDecision && e.Idempotency != nil && e.Verdict == rules.Approve.String():
		l := outbox.Logged{Key: e.Idempotency.Key, Request: e.Idempotency.Request, ID: e.Request, Time: e.Time}
		k.by[e.Request] = usedKey{l, k.by[e.Request].spent}
	case e.Event == audit.EventOutcome:
		k.outcome(e)
	}
	if len(k.by) > k.most {
		k.drop()
		k.most = 2*len(k.by) + manyKeys
	}
}

// outcome takes over what became of a request.
func (k *usedKeys) outcome(e *audit.Entry) {
	used, known := k.by[e.Request]
	switch {
	case !known:
	case e.Outcome != rules.NotSigned.String():
		used.spent = true
		k.by[e.Request] = used
	case !used.spent:
		delete(k.by, e.Request)
	}
}

// drop drops the keys that are no longer kept.
func (k *usedKeys) drop() {
	now := k.latest
	if k.now.Before(now) {
		now = k.now
	}
	if k.kept > 0 {
		maps.DeleteFunc(k.by, func(_ string, l usedKey) bool { return now.Sub(l.Time) > k.kept })
	}
}

// all returns those that are kept, of each key the last.
func (k *usedKeys) all() []outbox.Logged {
	k.drop()
	last := make(map[string]outbox.Logged)
	for _, l := range k.by {
		if l.Time.After(last[l.Key].Time) {
			last[l.Key] = l.Logged
		}
	}
	all := make([]outbox.Logged, 0, len(last))
	for _, l := range last {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b outbox.Logged) int { return cmp.Compare(a.Key, b.Key) })
	return all
}
