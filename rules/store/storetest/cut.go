package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules"
)

// TestCut uses a store that several have open while connections to it are cut. Cut
// is called again and again until the others have done their work; it cuts what
// it likes, and gives them room to do some between. A call may fail, and then
// it may have been done all the same: never is a cap passed, and what is told of a
// record stays true.
func TestCut(t *testing.T, stores []SharedStore, cut func()) {
	var working, cutting sync.WaitGroup
	ended := make(chan struct{})
	c := &cutRun{stores: stores}
	for client := range 12 {
		working.Go(func() { c.holds(t, client) })
		working.Go(func() { c.records(t, client) })
		working.Go(func() { c.values(t, client) })
	}
	cutting.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
				cut()
			}
		}
	})
	working.Wait()
	close(ended)
	cutting.Wait()
	c.check(t)
}

const (
	cutLimit = 500
	cutWork  = 40 // that each client does, besides what fails
	cutTries = 20_000
)

// cutRun counts what certainly was done, and what may have been besides.
type cutRun struct {
	stores                     []SharedStore
	spent, inFlight, maybeHeld atomic.Int64
	stored, maybeStored        atomic.Int64
	failed                     atomic.Int64
}

func (c *cutRun) store(i int) SharedStore { return c.stores[i%len(c.stores)] }

// failure counts one, and waits a little: it may be for a server that comes back.
func (c *cutRun) failure(ctx context.Context) {
	c.failed.Add(1)
	timer := time.NewTimer(2 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// holds of one counter, of which some are committed and others released.
func (c *cutRun) holds(t *testing.T, client int) {
	for done, try := 0, 0; done < cutWork; try++ {
		store := c.store(client + try)
		const amount = 3
		id, err := store.Hold(t.Context(), []rules.Charge{charge("cut", amount, cutLimit, time.Hour)})
		var over *rules.OverLimitError
		switch {
		case errors.As(err, &over):
			if over.Used.Uint64() > cutLimit {
				t.Errorf("%s are used of %d", over.Used.Dec(), cutLimit)
			}
			done++
			continue
		case err != nil:
			if try > cutTries || t.Failed() {
				t.Errorf("holding never succeeds: %v", err)
				return
			}
			c.maybeHeld.Add(amount)
			c.failure(t.Context())
			continue
		}
		done++
		if sum := c.inFlight.Add(amount); sum > cutLimit {
			t.Errorf("%d are held of %d", sum, cutLimit)
		}
		if done%8 == 0 { // it counts, whatever becomes of the call
			c.spent.Add(amount)
			if err := store.Commit(t.Context(), id); err != nil {
				c.failure(t.Context())
			}
			continue
		}
		c.inFlight.Add(-amount)
		if err := store.Release(t.Context(), id); err != nil {
			c.maybeHeld.Add(amount)
			c.failure(t.Context())
		}
	}
}

// records of which each client has one, and one that all have: what is told of a
// change that failed does not change by itself.
func (c *cutRun) records(t *testing.T, client int) {
	key := fmt.Sprint("cut/", client)
	store := c.store(client)
	var value []byte
	for done, try := 0, 0; done < cutWork; try++ {
		if try > cutTries || t.Failed() {
			t.Error("changing records never succeeds")
			return
		}
		next := []byte(strconv.Itoa(try))
		err := store.ChangeRecords(t.Context(), rules.Change{Key: key, Old: value, New: next})
		switch {
		case err == nil:
			value = next
			done++
			continue
		case errors.Is(err, rules.ErrConflict):
			t.Errorf("%s has another value than %q", key, value)
			return
		}
		c.failure(t.Context())
		found, err := store.Record(t.Context(), key)
		for ; err != nil; found, err = store.Record(t.Context(), key) {
			c.failure(t.Context())
			if try++; try > cutTries || t.Failed() {
				t.Errorf("reading never succeeds: %v", err)
				return
			}
		}
		if !bytes.Equal(found, value) && !bytes.Equal(found, next) {
			t.Errorf("%s is %q, neither %q nor %q", key, found, value, next)
			return
		}
		value = found
	}
}

// values of a rule file that all count in.
func (c *cutRun) values(t *testing.T, client int) {
	for done, try := 0, 0; done < cutWork/4; try++ {
		if try > cutTries || t.Failed() {
			t.Error("storing never succeeds")
			return
		}
		err := c.count(t.Context(), c.store(client+try))
		if err == nil {
			c.stored.Add(1)
			done++
			continue
		}
		if errors.Is(err, errCommit) {
			c.maybeStored.Add(1)
		}
		c.failure(t.Context())
	}
}

var errCommit = errors.New("committing")

func (c *cutRun) count(ctx context.Context, store rules.Storage) error {
	tx, err := store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	sum, err := tx.Get("sum")
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(sum)
	if err := tx.Put("sum", strconv.Itoa(n+1)); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("%w: %w", errCommit, err)
	}
	return nil
}

func (c *cutRun) check(t *testing.T) {
	store := c.stores[0]
	usage, err := store.Usage(t.Context(), "cut")
	ok(t, "reading", err)
	used := int64(usage.Used.Uint64())
	if used > cutLimit || used < c.spent.Load() || used > c.spent.Load()+c.maybeHeld.Load() {
		t.Errorf("%d are used, of %d; %d were spent, and %d may be held besides", used, cutLimit, c.spent.Load(), c.maybeHeld.Load())
	}
	hold(t, store, charge("cut", uint64(cutLimit-used), cutLimit, time.Hour))
	wantOver(t, store, cutLimit, charge("cut", 1, cutLimit, time.Hour))
	tx := begin(t, store)
	defer tx.Rollback()
	text, err := tx.Get("sum")
	ok(t, "getting", err)
	n, _ := strconv.Atoi(text)
	if sum := int64(n); sum < c.stored.Load() || sum > c.stored.Load()+c.maybeStored.Load() {
		t.Errorf("the sum is %d; %d were stored, and %d may be", sum, c.stored.Load(), c.maybeStored.Load())
	}
	t.Logf("%d calls failed", c.failed.Load())
	if c.failed.Load() == 0 {
		t.Error("no call failed: nothing was tried")
	}
}
