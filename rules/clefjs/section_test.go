package clefjs

import (
	"context"
	"math/big"
	"sync"
	"testing"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/memory"
)

// unserialized is a storage as Clef's: every read and write is by itself.
type unserialized struct{ *memory.Storage }

type unserializedTx struct{ storage *memory.Storage }

func (u unserialized) Begin(context.Context) (rules.StorageTx, error) {
	return unserializedTx{u.Storage}, nil
}

func (u unserializedTx) Get(key string) (string, error) { return u.storage.Snapshot()[key], nil }

func (u unserializedTx) Put(key, value string) error {
	tx, err := u.storage.Begin(context.Background())
	if err != nil {
		return err
	}
	if err := tx.Put(key, value); err != nil {
		return err
	}
	return tx.Commit(context.Background())
}

func (unserializedTx) Flush(context.Context) error  { return nil }
func (unserializedTx) Commit(context.Context) error { return nil }
func (unserializedTx) Rollback()                    {}

// spend lets 64 clients ask for 1,000 transactions of 0.1 ether, and returns
// how many were signed. The vault is called between decision and outcome.
func spend(t *testing.T, storage rules.Storage, vault func(client int)) int {
	t.Helper()
	const clients, requests = 64, 1000
	r := load(t, file(t, "window.js"), Options{Storage: storage, WaitTimeout: 30e9, Timeout: MaxTimeout, Console: func(string, string) {}})
	engine := &rules.Engine{Rules: []rules.Rule{r}}
	var (
		work   = make(chan uint64, requests)
		done   sync.WaitGroup
		mu     sync.Mutex
		signed int
	)
	for nonce := range uint64(requests) {
		work <- nonce
	}
	close(work)
	for client := range clients {
		done.Go(func() {
			for nonce := range work {
				req := transfer(nonce, big.NewInt(1e17), nil)
				decision, err := engine.Decide(t.Context(), req)
				if err != nil {
					t.Error(err)
					return
				}
				vault(client)
				if decision.Verdict != rules.Approve {
					continue
				}
				if err := engine.Settle(t.Context(), req, decision, sign(t, req)); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				signed++
				mu.Unlock()
			}
		})
	}
	done.Wait()
	return signed
}

// TestDeviation2LimitsAreNotRaced: a limit kept in the storage by ApproveTx
// and OnApprovedTx holds whatever the concurrency. The same file with a
// storage like Clef's goes beyond it.
func TestDeviation2LimitsAreNotRaced(t *testing.T) {
	store := memory.New(nil)
	// The sum has to stay below one ether: nine times a tenth.
	if signed := spend(t, store, func(int) {}); signed != 9 {
		t.Errorf("with the section: %d were signed, not 9", signed)
	}
	free(t, store)

	// Every client is in the vault once before the first is out of it, as with
	// a vault that takes a while.
	var (
		first  [64]sync.Once
		inside sync.WaitGroup
	)
	inside.Add(64)
	signed := spend(t, unserialized{memory.New(nil)}, func(client int) {
		first[client].Do(inside.Done)
		inside.Wait()
	})
	if signed <= 9 {
		t.Errorf("without the section: %d were signed, which shows nothing", signed)
	}
	t.Logf("without the section %d were signed", signed)
}

// TestCallsAreSerializable: a call that reads and writes without OnApprovedTx
// loses no update.
func TestCallsAreSerializable(t *testing.T) {
	store := memory.New(nil)
	r := load(t, `function ApproveSignData() { storage.put("n", +storage.get("n") + 1); return "Reject" }`, Options{Storage: store, WaitTimeout: 30e9, Timeout: MaxTimeout})
	engine := &rules.Engine{Rules: []rules.Rule{r}}
	var done sync.WaitGroup
	for range 16 {
		done.Go(func() {
			for range 20 {
				if _, err := engine.Decide(t.Context(), message("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	if got := store.Snapshot()["n"]; got != "320" {
		t.Errorf("got %s", got)
	}
}
