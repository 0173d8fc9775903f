package bolt_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// TestLostReads: what a transaction read was lost meanwhile. Nothing that rests on it
// stands, whether it is to be made durable before that is known or after, and once it is
// known the vault is not asked.
func TestLostReads(t *testing.T) {
	for name, ends := range map[string]func(t *testing.T, tx rules.StorageTx, lose func()) error{
		"flushed after": func(t *testing.T, tx rules.StorageTx, lose func()) error { lose(); return tx.Flush(t.Context()) },
		"committed after": func(t *testing.T, tx rules.StorageTx, lose func()) error {
			ok(t, tx.Flush(t.Context()))
			lose()
			return tx.Commit(t.Context())
		},
		"committed before": func(t *testing.T, tx rules.StorageTx, lose func()) error {
			time.AfterFunc(time.Second, lose)
			return tx.Commit(t.Context())
		},
		"written after": func(t *testing.T, tx rules.StorageTx, lose func()) error {
			ok(t, tx.Flush(t.Context()))
			ok(t, tx.Put("b", "1"))
			lose()
			return tx.Commit(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				var unset atomic.Bool
				store := open(t, path, bolt.Options{Hook: g.hook, Clock: func() time.Time {
					if unset.Load() {
						return time.Time{} // with which the transaction of a hold fails
					}
					return noon()
				}})
				var all sync.WaitGroup
				g.arm()
				all.Go(func() { put(t, store, "first", "1") })
				g.wait()
				all.Go(func() {
					tx, err := store.Begin(t.Context())
					ok(t, err)
					ok(t, tx.Put("a", "1"))
					if err := tx.Commit(t.Context()); err == nil {
						t.Error("it was written")
					}
				})
				all.Go(func() { _, _ = store.Hold(t.Context(), []rules.Charge{charge("a", 1, 9)}) })
				synctest.Wait()
				tx, err := store.Begin(t.Context())
				ok(t, err)
				defer tx.Rollback()
				if value, err := tx.Get("a"); value != "1" || err != nil {
					t.Fatalf("%q, %v", value, err)
				}
				err = ends(t, tx, func() {
					unset.Store(true)
					g.open()
					all.Wait()
					unset.Store(false)
				})
				if err == nil {
					t.Error("it stands")
				}
				tx.Rollback()
				if value := get(t, store, "a") + get(t, store, "b"); value != "" {
					t.Errorf("%q is there", value)
				}
			})
		})
	}
}

// TestSectionsRestOnWhatIsDurable: with a store that fails now and then, sections that end
// well have read nothing that is lost, and what was flushed stays, however they end.
func TestSectionsRestOnWhatIsDurable(t *testing.T) {
	path := newFile(t)
	var unset atomic.Bool
	store := open(t, path, bolt.Options{Clock: func() time.Time {
		if unset.Load() {
			return time.Time{}
		}
		return noon()
	}})
	var mu sync.Mutex
	var must []string // be there
	section := func(name string) {
		tx, err := store.Begin(t.Context())
		ok(t, err)
		defer tx.Rollback()
		read, err := tx.Get("last")
		writes, flushes, signed := rand.IntN(2) == 0, rand.IntN(4) == 0, rand.IntN(8) != 0
		if flushes && err == nil {
			err = tx.Put("flushed "+name, "1")
		}
		if err == nil {
			err = tx.Flush(t.Context())
		}
		var there []string
		if flushes && err == nil {
			there = append(there, "flushed "+name)
		}
		if signed && writes && err == nil {
			err = errors.Join(tx.Put("wrote "+name, "1"), tx.Put("last", "wrote "+name))
		}
		if signed && err == nil {
			err = tx.Commit(t.Context())
			if err == nil && read != "" {
				there = append(there, read)
			}
			if err == nil && writes {
				there = append(there, "wrote "+name)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		must = append(must, there...)
	}
	var all sync.WaitGroup
	for client := range 16 {
		all.Go(func() {
			for i := range 60 {
				unset.CompareAndSwap(false, rand.IntN(20) == 0)
				if rand.IntN(3) == 0 {
					if _, err := store.Hold(t.Context(), []rules.Charge{charge("a", 1, 1<<20)}); err != nil {
						unset.Store(false)
					}
				}
				section(fmt.Sprint(client, " ", i))
			}
		})
	}
	all.Wait()
	unset.Store(false)
	kept := inspect(t, path).Values
	for _, key := range must {
		if kept[key] == "" {
			t.Errorf("%q is lost", key)
		}
	}
	if len(must) < 100 {
		t.Errorf("%d keys show nothing", len(must))
	}
}
