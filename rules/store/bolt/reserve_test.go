package bolt_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
	"github.com/kvclef/kvclef/rules/store/storetest"
)

// book is an audit log as far as a store knows it: reservations that were written
// down, each in the entry with its number.
type book struct {
	mu      sync.Mutex
	entries []*rules.Reservation
}

func (b *book) add(r *rules.Reservation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, r)
}

func (b *book) head() (seq uint64, hash string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return uint64(len(b.entries)), strings.Repeat(strconv.Itoa(len(b.entries)%10), 64)
}

// after returns what is written down after an entry.
func (b *book) after(seq uint64) (all []rules.Reservation) {
	for _, r := range b.entries[min(seq, uint64(len(b.entries))):] {
		all = append(all, *r)
	}
	return all
}

const bookPath = "/var/log/kvclef/audit.log"

// relying opens a store that relies on a book, and gives it what it has forgotten.
func relying(t testing.TB, path string, b *book, options bolt.Options) *bolt.Store {
	t.Helper()
	store := open(t, path, options)
	if from := store.Unsettled(); from.Log != "" {
		_, err := store.Recover(t.Context(), b.after(from.Seq))
		ok(t, err)
	}
	ok(t, store.Rely(t.Context(), bookPath, b.head))
	return store
}

// reserve reserves, and writes that down.
func (b *book) reserve(t testing.TB, store *bolt.Store, charges ...rules.Charge) rules.HoldID {
	t.Helper()
	id, reservation, err := store.Reserve(t.Context(), charges)
	ok(t, err)
	if reservation == nil {
		t.Fatalf("hold %d is not reserved", id)
	}
	b.add(reservation)
	return id
}

// crashed returns what a crash leaves of a store: its file as it is on the disk.
func crashed(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	ok(t, err)
	left := filepath.Join(t.TempDir(), "left.db")
	ok(t, os.WriteFile(left, data, 0o600))
	return left
}

func used(t testing.TB, store *bolt.Store, counter string) uint64 {
	t.Helper()
	usage, err := store.Usage(t.Context(), counter)
	ok(t, err)
	return usage.Used.Uint64()
}

// TestReserve checks that a reservation counts at once, without a write, and that a
// crash forgets it until it is given back, once.
func TestReserve(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var b book
		store := relying(t, path, &b, bolt.Options{Clock: noon, Hook: g.hook})
		writes := g.commits.Load()
		id := b.reserve(t, store, charge("a", 7, 10), slotted("b", "nonce 1", 3, 10))
		want := &rules.Reservation{ID: id, At: noon(), Charges: []rules.Reserved{
			{Counter: "a", Amount: charge("a", 7, 0).Amount, Expires: noon().Add(time.Hour)},
			{Counter: "b", Slot: "nonce 1", Amount: charge("b", 3, 0).Amount, Expires: noon().Add(time.Hour)},
		}}
		if got := b.entries[0]; got.ID != want.ID || !got.At.Equal(want.At) || !slices.EqualFunc(got.Charges, want.Charges, func(a, b rules.Reserved) bool { return a == b }) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		ok(t, store.Commit(t.Context(), id))
		if n := g.commits.Load() - writes; n != 0 {
			t.Errorf("%d writes for a reservation", n)
		}

		left := open(t, crashed(t, path), atNoon())
		var over *rules.OverLimitError
		if _, _, err := store.Reserve(t.Context(), []rules.Charge{charge("a", 4, 10)}); !errors.As(err, &over) || over.Used.Uint64() != 7 {
			t.Errorf("11 of 10: %v", err)
		}
		if from := left.Unsettled(); from.Log != bookPath || from.Seq != 0 {
			t.Errorf("it is unsettled since %+v", from)
		}
		if n := used(t, left, "a"); n != 0 {
			t.Errorf("the file counts %d, and it is not this test", n)
		}
		if err := left.Rely(t.Context(), bookPath, b.head); err == nil {
			t.Error("it relies on a log, and has not asked it")
		}
		for _, want := range []int{1, 0} {
			if n, err := left.Recover(t.Context(), b.after(0)); n != want || err != nil {
				t.Errorf("recovered %d, want %d: %v", n, want, err)
			}
		}
		if a, b := used(t, left, "a"), used(t, left, "b"); a != 7 || b != 3 {
			t.Errorf("it counts %d and %d", a, b)
		}
		ok(t, left.Rely(t.Context(), bookPath, b.head))
		ok(t, left.Release(t.Context(), id))
		if n := used(t, left, "a"); n != 0 {
			t.Errorf("it counts %d after the release", n)
		}
	})
}

// TestReservationsAreWritten checks that the file has them soon, with whatever else is
// written, when it is read, and in the end.
func TestReservationsAreWritten(t *testing.T) {
	for name, written := range map[string]func(t *testing.T, store *bolt.Store){
		"soon":       func(*testing.T, *bolt.Store) { time.Sleep(time.Second) }, //nolint:forbidigo // in a bubble
		"with other": func(t *testing.T, store *bolt.Store) { t.Helper(); put(t, store, "key", "value") },
		"read":       func(t *testing.T, store *bolt.Store) { t.Helper(); used(t, store, "a") },
		"copied": func(t *testing.T, store *bolt.Store) {
			t.Helper()
			_, err := store.Backup(&strings.Builder{})
			ok(t, err)
		},
		"released": func(t *testing.T, store *bolt.Store) { t.Helper(); ok(t, store.Release(t.Context(), 1)) },
		"held": func(t *testing.T, store *bolt.Store) {
			t.Helper()
			_, err := store.Hold(t.Context(), []rules.Charge{charge("b", 1, 9)})
			ok(t, err)
		},
		"closed": func(t *testing.T, store *bolt.Store) { t.Helper(); ok(t, store.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			synctest.Test(t, func(t *testing.T) {
				var b book
				store := relying(t, path, &b, atNoon())
				b.reserve(t, store, charge("a", 1, 9))
				b.reserve(t, store, charge("a", 2, 9))
				written(t, store)
				found, want := inspect(t, path).Counters, uint64(3)
				if name == "released" {
					want = 2
				}
				if len(found) == 0 || found[0].Name != "a" || found[0].Used.Uint64() != want {
					t.Errorf("the file counts %+v", found)
				}
				left := open(t, crashed(t, path), atNoon())
				if from := left.Unsettled(); name == "closed" && from.Log != "" || name != "closed" && from.Seq != 2 {
					t.Errorf("it is unsettled since %+v", from)
				}
				if n, err := left.Recover(t.Context(), b.after(left.Unsettled().Seq)); n != 0 || err != nil {
					t.Errorf("recovered %d: %v", n, err)
				}
			})
		})
	}
}

// TestNotReserved checks what is durable when Reserve returns: all without a log, and
// what can't be written down as it is.
func TestNotReserved(t *testing.T) {
	var b book
	alone := open(t, newFile(t), atNoon())
	store := relying(t, newFile(t), &b, atNoon())
	many := make([]rules.Charge, 17)
	for i := range many {
		many[i] = charge(strconv.Itoa(i), 1, 9)
	}
	for name, tt := range map[string]struct {
		store   *bolt.Store
		charges []rules.Charge
	}{
		"without a log": {alone, []rules.Charge{charge("a", 1, 9)}},
		"a long name":   {store, []rules.Charge{charge(strings.Repeat("a", 500), 1, 9), charge(strings.Repeat("b", 500), 1, 9), slotted(strings.Repeat("c", 500), strings.Repeat("s", 190), 1, 9), charge(strings.Repeat("d", 500), 1, 9), charge(strings.Repeat("e", 500), 1, 9), charge(strings.Repeat("f", 500), 1, 9), charge(strings.Repeat("g", 500), 1, 9), charge(strings.Repeat("h", 500), 1, 9), charge(strings.Repeat("i", 500), 1, 9)}},
		"control":       {store, []rules.Charge{charge("a\x01", 1, 9)}},
		"no UTF-8":      {store, []rules.Charge{slotted("a", "\xff", 1, 9)}},
		"other letters": {store, []rules.Charge{charge("é", 1, 9)}},
		"many":          {store, many},
	} {
		t.Run(name, func(t *testing.T) {
			id, reservation, err := tt.store.Reserve(t.Context(), tt.charges)
			if err != nil || reservation != nil {
				t.Fatalf("%+v, %v", reservation, err)
			}
			ok(t, tt.store.Release(t.Context(), id))
		})
	}
}

// TestAFailedWriteForgetsNoReservation has a transaction fail in which reservations
// are that were settled: they count afterwards, and what is reserved next is durable
// at once, until the disk takes something again.
func TestAFailedWriteForgetsNoReservation(t *testing.T) {
	path := newFile(t)
	var b book
	failing := false
	clock := func() time.Time {
		if failing {
			return time.Time{} // which no transaction takes
		}
		return noon()
	}
	store := relying(t, path, &b, bolt.Options{Clock: clock})
	id := b.reserve(t, store, charge("a", 2, 10))
	failing = true
	if _, err := store.Hold(t.Context(), []rules.Charge{charge("a", 3, 10)}); err == nil {
		t.Fatal("it held something at no time")
	}
	if _, _, err := store.Reserve(t.Context(), []rules.Charge{charge("a", 3, 10)}); err == nil {
		t.Fatal("it reserved something at no time")
	}
	failing = false
	b.reserve(t, store, charge("a", 5, 10)) // written at once
	if found := inspect(t, path).Counters; len(found) != 1 || found[0].Used.Uint64() != 7 {
		t.Errorf("the file counts %+v", found)
	}
	ok(t, store.Release(t.Context(), id))
	if n := used(t, store, "a"); n != 5 {
		t.Errorf("it counts %d", n)
	}
}

// TestReservationsInACrash compares a store that crashes now and then with what it was
// told: what is written down or durable counts, and nothing else but what was reserved
// and the file had by chance.
func TestReservationsInACrash(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		path := newFile(t)
		var b book
		store := relying(t, path, &b, atNoon())
		counts := make(map[rules.HoldID]uint64) // what must count
		loose := make(map[rules.HoldID]uint64)  // what may
		for range 60 {
			amount := 1 + random.Uint64N(9)
			switch random.IntN(8) {
			case 0: // reserved, and not written down
				id, _, err := store.Reserve(t.Context(), []rules.Charge{charge("a", amount, 1<<40)})
				ok(t, err)
				loose[id] = amount
			case 1:
				id, err := store.Hold(t.Context(), []rules.Charge{charge("a", amount, 1<<40)})
				ok(t, err)
				counts[id] = amount
			case 2:
				if ids := slices.Sorted(maps.Keys(counts)); len(ids) > 0 {
					id := ids[random.IntN(len(ids))]
					if err := store.Release(t.Context(), id); err == nil {
						delete(counts, id)
					} else if !errors.Is(err, bolt.ErrNoHold) {
						t.Fatal(err)
					}
				}
			case 3:
				if ids := slices.Sorted(maps.Keys(counts)); len(ids) > 0 {
					err := store.Commit(t.Context(), ids[random.IntN(len(ids))])
					if err != nil && !errors.Is(err, bolt.ErrNoHold) {
						t.Fatal(err)
					}
				}
			case 4:
				put(t, store, "key", strconv.FormatUint(amount, 10))
			case 5:
				path = crashed(t, path)
				store = relying(t, path, &b, atNoon())
				total, least := used(t, store, "a"), sum(counts)
				if total < least || total > least+sum(loose) {
					t.Fatalf("seed %d: it counts %d, and %d to %d is right", seed, total, least, least+sum(loose))
				}
				// What is loose may count or not, and an id of it may be used again.
				clear(counts)
				clear(loose)
				counts[0] = total
			default:
				counts[b.reserve(t, store, charge("a", amount, 1<<40))] = amount
			}
		}
		if total := used(t, store, "a"); total != sum(counts)+sum(loose) {
			t.Fatalf("seed %d: it counts %d, and should %d", seed, total, sum(counts)+sum(loose))
		}
	}
}

func sum(amounts map[rules.HoldID]uint64) (total uint64) {
	for _, amount := range amounts {
		total += amount
	}
	return total
}

// TestSlotsAreRecovered: a slot whose charges have expired, and are still in the file,
// is not too full for one that was reserved afterwards; nor after a failed write.
func TestSlotsAreRecovered(t *testing.T) {
	path := newFile(t)
	var b book
	now, failing := noon(), false
	clock := func() time.Time {
		if failing {
			return time.Time{}
		}
		return now
	}
	store := relying(t, path, &b, bolt.Options{Clock: clock})
	for range rules.MaxInSlot {
		_, err := store.Hold(t.Context(), []rules.Charge{slotted("a", "nonce 1", 1, 9)})
		ok(t, err)
	}
	left := crashed(t, path)
	now = now.Add(2 * time.Hour)
	b.reserve(t, store, slotted("a", "nonce 1", 7, 9))
	failing = true
	if _, err := store.Hold(t.Context(), []rules.Charge{charge("b", 1, 9)}); err == nil {
		t.Error("it held something at no time")
	}
	failing = false
	if n := used(t, store, "a"); n != 7 {
		t.Errorf("it counts %d after a failed write", n)
	}
	recovered := relying(t, left, &b, bolt.Options{Clock: clock})
	if n := used(t, recovered, "a"); n != 7 {
		t.Errorf("it counts %d after a crash", n)
	}
}

// TestIDsUsedTwice: of two states that went on from one copy, with one log, all counts.
func TestIDsUsedTwice(t *testing.T) {
	path := newFile(t)
	var b book
	store := relying(t, path, &b, atNoon())
	copied := crashed(t, path)
	b.reserve(t, store, charge("a", 1, 99))
	b.reserve(t, store, charge("a", 2, 99))
	other := relying(t, copied, new(book), atNoon())
	_, reservation, err := other.Reserve(t.Context(), []rules.Charge{charge("a", 4, 99)})
	ok(t, err)
	b.add(reservation)
	third := relying(t, crashed(t, copied), &b, atNoon())
	if n := used(t, third, "a"); n != 7 {
		t.Errorf("it counts %d", n)
	}
	if n := used(t, relying(t, crashed(t, path), &b, atNoon()), "a"); n != 7 {
		t.Errorf("it counts %d", n)
	}
}

// TestReadersMeetWhatWaited has records read while reservations are written that nobody
// waits for.
func TestReadersMeetWhatWaited(t *testing.T) {
	path := newFile(t)
	var b book
	ended, written := make(chan struct{}), make(chan struct{}, 64)
	store := relying(t, path, &b, bolt.Options{Clock: noon, Hook: func(point string) {
		if point == "store.after-commit" {
			select {
			case written <- struct{}{}:
			default:
			}
		}
	}})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
			}
			if _, err := store.Record(t.Context(), "a/1"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 8 {
		b.reserve(t, store, charge("a", 1, 99))
		<-written
	}
	close(ended)
	reader.Wait()
}

// TestThePlaceMovesOn: how far the log has come is noted now and then, also where
// nothing is held.
func TestThePlaceMovesOn(t *testing.T) {
	path := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		var b book
		store := relying(t, path, &b, atNoon())
		for range 3 {
			for range 5 {
				b.add(nil)
			}
			time.Sleep(11 * time.Second) //nolint:forbidigo // in a bubble
		}
		if seq := inspect(t, path).Relied.Seq; seq != 15 {
			t.Errorf("the file has all up to entry %d of 15", seq)
		}
		ok(t, store.Close())
		if relied := inspect(t, path).Relied; relied != nil {
			t.Errorf("it is closed, and relies on %+v", relied)
		}
	})
}

// TestForget gives up what a lost log has.
func TestForget(t *testing.T) {
	path := newFile(t)
	var b book
	store := relying(t, path, &b, atNoon())
	ok(t, store.Attest(t.Context(), rules.Attestation{Kind: rules.RuleFile, SHA256: [32]byte{1}, Time: noon(), Signature: make([]byte, 65)}))
	copied := crashed(t, path)
	left := open(t, copied, atNoon())
	if left.Unsettled().Log == "" {
		t.Fatal("nothing is unsettled")
	}
	from := left.Unsettled()
	ok(t, left.Forget(t.Context(), from))
	ok(t, left.Rely(t.Context(), bookPath, b.head))
	ok(t, left.Close())
	if told := inspect(t, copied).Forgotten; told == nil || *told != from {
		t.Errorf("it remembers %+v, want %+v", told, from)
	}
	again := open(t, copied, atNoon())
	if got := again.Forgotten(); got != from {
		t.Errorf("it remembers %+v, want %+v", got, from)
	}
	later := from
	later.Seq += 9
	ok(t, again.Forget(t.Context(), later))
	if told := inspect(t, copied).Forgotten; told == nil || *told != from {
		t.Errorf("it remembers %+v, and was not told of %+v", told, from)
	}
	ok(t, again.Told(t.Context()))
	ok(t, again.Close())
	if got := open(t, copied, atNoon()).Forgotten(); got != (bolt.LogHead{}) {
		t.Errorf("an audit log tells of it, and it remembers %+v", got)
	}
}

// TestRecoverRefuses checks what is no reservation of a store.
func TestRecoverRefuses(t *testing.T) {
	for name, r := range map[string]rules.Reservation{
		"nothing":      {ID: 9, At: noon()},
		"no counter":   {ID: 9, At: noon(), Charges: []rules.Reserved{{Expires: noon()}}},
		"before 1970":  {ID: 9, At: noon(), Charges: []rules.Reserved{{Counter: "a", Expires: time.Unix(-1, 0)}}},
		"a long name":  {ID: 9, At: noon(), Charges: []rules.Reserved{{Counter: strings.Repeat("a", 600), Expires: noon()}}},
		"far too many": {ID: 9, At: noon(), Charges: make([]rules.Reserved, rules.MaxCharges+1)},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, newFile(t), atNoon())
			if n, err := store.Recover(t.Context(), []rules.Reservation{r}); err == nil {
				t.Errorf("recovered %d", n)
			}
			if n := used(t, store, "a"); n != 0 {
				t.Errorf("it counts %d", n)
			}
		})
	}
}

// reserving is a store all of whose holds are reserved, and written down in a book.
type reserving struct {
	*bolt.Store

	book *book
}

// Hold reserves. What is not durable is written down.
func (r reserving) Hold(ctx context.Context, charges []rules.Charge) (rules.HoldID, error) {
	id, reservation, err := r.Reserve(ctx, charges)
	if reservation != nil {
		r.book.add(reservation)
	}
	return id, err
}

func openReserving(t *testing.T, path string, b *book, clock func() time.Time) reserving {
	t.Helper()
	return reserving{relying(t, path, b, bolt.Options{Clock: clock}), b}
}

func newReserving(t *testing.T, clock func() time.Time) storetest.Ledger {
	return openReserving(t, newFile(t), new(book), clock)
}

// What every ledger does, one does that reserves.
func TestReservingLedger(t *testing.T)      { storetest.TestLedger(t, newReserving) }
func TestReservingLedgerModel(t *testing.T) { storetest.TestLedgerModel(t, newReserving) }

func TestReservingDurable(t *testing.T) {
	storetest.TestDurable(t, func(t *testing.T) func(*testing.T, func() time.Time) storetest.Store {
		path, b := newFile(t), new(book)
		return func(t *testing.T, clock func() time.Time) storetest.Store { return openReserving(t, path, b, clock) }
	})
}

// reservingCrash is crashing, with a book.
type reservingCrash struct {
	crashing
	book *book
}

func (c *reservingCrash) create(t *testing.T) func(*testing.T, func() time.Time) storetest.Store {
	c.path, c.book = newFile(t), new(book)
	return func(t *testing.T, clock func() time.Time) storetest.Store {
		return openReserving(t, c.path, c.book, clock)
	}
}

func TestReservingDurableModel(t *testing.T) {
	c := new(reservingCrash)
	storetest.TestDurableModel(t, c.create, c.crash)
}
