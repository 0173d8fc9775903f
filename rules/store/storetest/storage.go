package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store"
)

// TestStorage checks a storage. Open returns an empty one.
func TestStorage(t *testing.T, open func(t *testing.T) rules.Storage) {
	for name, story := range map[string]func(*testing.T, rules.Storage){
		"values":       values,
		"rollback":     rollback,
		"flush":        flush,
		"ended":        ended,
		"bounds":       bounds,
		"nobody":       nobody,
		"abandoned":    abandoned,
		"serializable": serializable,
		"random":       randomValues,
	} {
		t.Run(name, func(t *testing.T) { story(t, open(t)) })
	}
}

func values(t *testing.T, storage rules.Storage) {
	tx := begin(t, storage)
	want(t, tx, "a", "")
	put(t, tx, "a", "1")
	want(t, tx, "a", "1")
	put(t, tx, "a", "2")
	put(t, tx, "b", "\x00\xff not UTF-8")
	commit(t, tx)

	tx = begin(t, storage)
	want(t, tx, "a", "2")
	want(t, tx, "b", "\x00\xff not UTF-8")
	put(t, tx, "a", "")
	want(t, tx, "a", "")
	put(t, tx, "c", "")
	commit(t, tx)
	wantStored(t, storage, "a", "")
	wantStored(t, storage, "b", "\x00\xff not UTF-8")
	wantStored(t, storage, "c", "")
}

func rollback(t *testing.T, storage rules.Storage) {
	tx := begin(t, storage)
	put(t, tx, "a", "1")
	put(t, tx, "b", "1")
	commit(t, tx)

	tx = begin(t, storage)
	put(t, tx, "a", "2")
	put(t, tx, "b", "")
	put(t, tx, "c", "2")
	tx.Rollback()
	wantStored(t, storage, "a", "1")
	wantStored(t, storage, "b", "1")
	wantStored(t, storage, "c", "")
}

func flush(t *testing.T, storage rules.Storage) {
	tx := begin(t, storage)
	put(t, tx, "a", "1")
	ok(t, "flushing", tx.Flush(t.Context()))
	want(t, tx, "a", "1")
	put(t, tx, "a", "2")
	put(t, tx, "b", "2")
	want(t, tx, "a", "2")
	tx.Rollback()
	wantStored(t, storage, "a", "1")
	wantStored(t, storage, "b", "")

	tx = begin(t, storage)
	put(t, tx, "a", "3")
	ok(t, "flushing", tx.Flush(t.Context()))
	put(t, tx, "a", "4")
	ok(t, "flushing again", tx.Flush(t.Context()))
	ok(t, "flushing nothing", tx.Flush(t.Context()))
	commit(t, tx)
	wantStored(t, storage, "a", "4")
}

// ended checks that a transaction has one end.
func ended(t *testing.T, storage rules.Storage) {
	for name, end := range map[string]func(rules.StorageTx){
		"commit":   func(tx rules.StorageTx) { commit(t, tx) },
		"rollback": func(tx rules.StorageTx) { tx.Rollback() },
	} {
		tx := begin(t, storage)
		put(t, tx, "a", name)
		end(tx)
		tx.Rollback()
		next := begin(t, storage)
		put(t, next, "a", "next")
		_, err := tx.Get("a")
		refused(t, "getting after a "+name, err)
		refused(t, "putting after a "+name, tx.Put("a", "late"))
		refused(t, "flushing after a "+name, tx.Flush(t.Context()))
		refused(t, "committing after a "+name, tx.Commit(t.Context()))
		tx.Rollback() // does not end the next one
		want(t, next, "a", "next")
		commit(t, next)
		wantStored(t, storage, "a", "next")
	}
}

// nobody commits when the one who asked has gone.
func nobody(t *testing.T, storage rules.Storage) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	tx := begin(t, storage)
	put(t, tx, "a", "1")
	refused(t, "flushing for nobody", tx.Flush(gone))
	refused(t, "committing for nobody", tx.Commit(gone))
	tx.Rollback()
	wantStored(t, storage, "a", "")
}

func bounds(t *testing.T, storage rules.Storage) {
	tx := begin(t, storage)
	key, value := strings.Repeat("k", 1<<10), strings.Repeat("v", 1<<20)
	put(t, tx, key, value)
	refused(t, "putting under no key", tx.Put("", "1"))
	refused(t, "putting under a key of 1 MiB", tx.Put(value, "1"))
	refused(t, "putting a value of 16 MiB", tx.Put("a", strings.Repeat(value, 16)))
	want(t, tx, "", "")
	want(t, tx, value, "")
	want(t, tx, "a", "")
	commit(t, tx)
	wantStored(t, storage, key, value)

	tx = begin(t, storage)
	for i := range store.MaxTxBytes/store.MaxValue - 1 {
		put(t, tx, strconv.Itoa(i), value)
	}
	put(t, tx, "0", value) // in the place of the former
	if err := tx.Put("more", value); !errors.Is(err, store.ErrBounds) {
		t.Errorf("putting more than %d bytes: %v", store.MaxTxBytes, err)
	}
	put(t, tx, "0", "")
	put(t, tx, "more", value[:store.MaxValue/2])
	tx.Rollback()
}

// abandoned checks that who stops waiting does not keep others waiting.
func abandoned(t *testing.T, storage rules.Storage) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := storage.Begin(gone); !errors.Is(err, context.Canceled) {
		t.Fatalf("beginning when nobody waits: %v", err)
	}

	tx := begin(t, storage)
	var waiting sync.WaitGroup
	for range clients {
		ctx, cancel := context.WithCancel(t.Context())
		waiting.Go(func() {
			if _, err := storage.Begin(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("beginning beside another: %v", err)
			}
		})
		waiting.Go(cancel)
	}
	waiting.Wait()
	commit(t, tx)

	// The turn may come when the waiting ends: it must not be lost.
	for range clients {
		tx := begin(t, storage)
		ctx, cancel := context.WithCancel(t.Context())
		waiting.Go(func() {
			if tx, err := storage.Begin(ctx); err == nil {
				tx.Rollback()
			}
		})
		waiting.Go(cancel)
		waiting.Go(tx.Rollback)
		waiting.Wait()
	}
	begin(t, storage).Rollback()
}

// serializable checks that what is read does not change before it is written.
func serializable(t *testing.T, storage rules.Storage) {
	const each = 8
	number := func(tx rules.StorageTx, key string) int {
		text, err := tx.Get(key)
		n, _ := strconv.Atoi(text)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for i := range each {
				tx, err := storage.Begin(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				sum, twin := number(tx, "sum"), number(tx, "twin")
				if sum != -twin {
					t.Errorf("half of a transaction is seen: %d, %d", sum, twin)
				}
				last := number(tx, fmt.Sprint("client ", client))
				if last != i {
					t.Errorf("client %d sees its transaction %d, not %d", client, last, i)
				}
				err = errors.Join(tx.Put("sum", strconv.Itoa(sum+1)), tx.Put("twin", strconv.Itoa(-sum-1)),
					tx.Put(fmt.Sprint("client ", client), strconv.Itoa(i+1)))
				if err != nil {
					t.Error(err)
				}
				if err := tx.Commit(t.Context()); err != nil {
					t.Error(err)
				}
				forgotten, err := storage.Begin(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if err := forgotten.Put("sum", "-1"); err != nil {
					t.Error(err)
				}
				forgotten.Rollback()
			}
		})
	}
	all.Wait()
	wantStored(t, storage, "sum", strconv.Itoa(clients*each))
}

// randomValues compares a storage with a map.
func randomValues(t *testing.T, storage rules.Storage) {
	random := rand.New(rand.NewPCG(2, 7))
	model := make(map[string]string)
	for range 200 {
		randomTransaction(t, random, storage, model)
	}
}

// randomTransaction does the same to both.
func randomTransaction(t *testing.T, random *rand.Rand, storage rules.Storage, model map[string]string) {
	t.Helper()
	tx := begin(t, storage)
	mine := make(map[string]string)
	for range random.IntN(12) {
		key := strconv.Itoa(random.IntN(20))
		switch random.IntN(8) {
		case 0:
			ok(t, "flushing", tx.Flush(t.Context()))
			keep(model, mine)
		case 1:
			put(t, tx, key, "")
			mine[key] = ""
		case 2, 3, 4:
			value := strings.Repeat(strconv.Itoa(random.IntN(1000)), 1+random.IntN(300))
			put(t, tx, key, value)
			mine[key] = value
		default:
			expected, own := mine[key]
			if !own {
				expected = model[key]
			}
			want(t, tx, key, expected)
		}
	}
	if random.IntN(3) == 0 {
		tx.Rollback()
		return
	}
	commit(t, tx)
	keep(model, mine)
}

func keep(model, mine map[string]string) {
	for key, value := range mine {
		model[key] = value
	}
	clear(mine)
}

// TestStorageOrder checks that transactions begin in the order in which they
// were asked for. It is for a storage whose waiters wait in this process alone,
// without the network: it waits until they do nothing else.
func TestStorageOrder(t *testing.T, open func(t *testing.T) rules.Storage) {
	synctest.Test(t, func(t *testing.T) {
		storage := open(t)
		first := begin(t, storage)
		var order []int // by whoever has the transaction
		var all sync.WaitGroup
		for client := range clients {
			ctx, cancel := context.WithCancel(t.Context())
			all.Go(func() {
				defer cancel()
				tx, err := storage.Begin(ctx)
				if err != nil {
					if client%5 != 0 {
						t.Error(err)
					}
					return
				}
				order = append(order, client)
				tx.Rollback()
			})
			synctest.Wait() // until the client waits
			if client%5 == 0 {
				cancel()
				synctest.Wait()
			}
		}
		first.Rollback()
		all.Wait()
		for i, client := range order {
			if expected := i + i/4 + 1; client != expected {
				t.Fatalf("client %d came where client %d had been waiting: %v", client, expected, order)
			}
		}
		if expected := clients - (clients+4)/5; len(order) != expected {
			t.Fatalf("%d clients came, and %d had been waiting", len(order), expected)
		}
	})
}
