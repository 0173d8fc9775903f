package storetest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvclef/kvclef/rules"
)

// TestDurableRecords does the same with stores that are closed, and end without
// being closed. Create and crash are as for [TestDurableModel].
func TestDurableRecords(t *testing.T, create func(t *testing.T) (open func(t *testing.T, clock func() time.Time) Store), crash func(t *testing.T, store Store)) {
	clock := NewClock(start()).Now
	rapid.Check(t, func(r *rapid.T) {
		open := create(t)
		store := open(t, clock)
		p := &recordProperty{records: store, model: make(map[string][]byte)}
		actions := p.actions()
		actions["reopen"] = func(r *rapid.T) {
			noError(r, "closing", store.Close())
			store = open(t, clock)
			p.records = store
		}
		if crash != nil {
			actions["crash"] = func(*rapid.T) {
				crash(t, store)
				store = open(t, clock)
				p.records = store
			}
		}
		actions["storage"] = func(r *rapid.T) { // is apart
			tx, err := store.Begin(t.Context())
			noError(r, "beginning", err)
			noError(r, "putting", tx.Put(recordKey(r), "of the rule file"))
			noError(r, "committing", tx.Commit(t.Context()))
		}
		r.Repeat(actions)
		noError(r, "closing", store.Close())
		if err := store.ChangeRecords(t.Context(), rules.Change{Key: "a/1", New: []byte{}}); err == nil {
			r.Fatal("a store that is closed changes")
		}
		if _, err := store.Record(t.Context(), "a/1"); err == nil {
			r.Fatal("a store that is closed is read")
		}
	})
}
