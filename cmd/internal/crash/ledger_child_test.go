package crash_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holiman/uint256"

	"github.com/kvclef/kvclef/rules"
	"github.com/kvclef/kvclef/rules/store/bolt"
)

// What the process that is killed is told: the store, "POINT N" where it kills
// itself, and the first counter.
const (
	ledgerVariable  = "CRASH_LEDGER"
	pointVariable   = "CRASH_LEDGER_POINT"
	counterVariable = "CRASH_LEDGER_COUNTER"
)

const (
	holders    = 16
	ledgerCap  = 100
	mostCharge = 5
	slots      = 4   // of a counter, which half of the charges are of
	noSlot     = "-" // the other half
	window     = 1000 * time.Hour
)

// holdAll holds, commits and releases without end, and says what it does before
// and after each step, one line each:
//
//	hold KEY COUNTER SLOT AMOUNT COUNTER SLOT AMOUNT
//	held KEY ID | over KEY
//	release KEY
//	released KEY
func holdAll(path string) error {
	var (
		point   string
		passing int64
		left    atomic.Int64
		counter atomic.Int64
	)
	if _, err := fmt.Sscan(os.Getenv(pointVariable), &point, &passing); err != nil {
		point = ""
	}
	left.Store(passing)
	first, err := strconv.ParseInt(os.Getenv(counterVariable), 10, 64)
	if err != nil {
		return err
	}
	counter.Store(first)
	store, err := bolt.Open(context.Background(), path, bolt.Options{Hook: func(at string) {
		if at == point && left.Add(-1) == 0 {
			end()
		}
	}})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "open")
	var group sync.WaitGroup
	failures := make([]error, holders)
	for i := range holders {
		group.Go(func() {
			for n := 0; failures[i] == nil; n++ {
				failures[i] = holdOne(store, &counter, fmt.Sprintf("%d.%d", i, n))
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// end kills the process.
func end() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {}
}

// holdOne makes one hold, of which a third each is committed, released and left.
func holdOne(ledger rules.Ledger, counter *atomic.Int64, key string) error {
	ctx, current := context.Background(), counter.Load()
	charges := make([]rules.Charge, 2)
	line := "hold " + key
	for i := range charges {
		name, amount := strconv.FormatInt(current+rand.Int64N(2), 10), 1+rand.Uint64N(mostCharge)
		charges[i] = rules.Charge{Counter: name, Amount: *uint256.NewInt(amount), Cap: *uint256.NewInt(ledgerCap), Window: window}
		slot := noSlot
		if n := rand.IntN(2 * slots); n < slots {
			slot = strconv.Itoa(n)
			charges[i].Slot = slot
		}
		line += fmt.Sprintf(" %s %s %d", name, slot, amount)
	}
	say(line)
	id, err := ledger.Hold(ctx, charges)
	var over *rules.OverLimitError
	var full *rules.SlotError
	if errors.As(err, &over) || errors.As(err, &full) {
		say("over " + key)
		counter.CompareAndSwap(current, current+1)
		return nil
	}
	if err != nil {
		return err
	}
	say(fmt.Sprintf("held %s %d", key, id))
	switch rand.IntN(3) {
	case 0:
		return ledger.Commit(ctx, id)
	case 1:
		say("release " + key)
		if err := ledger.Release(ctx, id); err != nil {
			return err
		}
		say("released " + key)
	}
	return nil
}

// say writes a line at once and as a whole.
func say(line string) { _, _ = os.Stdout.WriteString(line + "\n") }
