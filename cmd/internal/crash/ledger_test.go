package crash_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kvclef/kvclef/rules/store/bolt"
)

// account is what may be known of a slot of a counter from outside: the amounts
// that are certain to be held, and those that may be.
type account struct{ certain, possible amounts }

// amounts are how often each amount is there.
type amounts map[uint64]int

// count is what counts of a slot: the largest, or without a slot all.
func (a amounts) count(slot string) (n uint64) {
	for amount, times := range a {
		switch {
		case times <= 0:
		case slot == noSlot:
			n += amount * uint64(times)
		default:
			n = max(n, amount)
		}
	}
	return n
}

// ledgerBooks are the accounts of all counters, by what processes said.
type ledgerBooks struct {
	accounts map[string]map[string]*account // by counter and slot
	asked    map[string][]string            // of the process that is running: key → counters, slots and amounts
	held     int
	last     int64 // counter
}

// read takes a line.
func (b *ledgerBooks) read(line string) error {
	words := strings.Fields(line)
	if len(words) < 2 {
		return nil // open
	}
	key := words[1]
	switch words[0] {
	case "hold":
		b.asked[key] = words[2:]
		return b.each(key, func(a *account, amount uint64) { a.possible[amount]++ })
	case "held":
		b.held++
		return b.each(key, func(a *account, amount uint64) { a.certain[amount]++ })
	case "over", "released":
		return b.each(key, func(a *account, amount uint64) { a.possible[amount]-- })
	case "release":
		return b.each(key, func(a *account, amount uint64) { a.certain[amount]-- })
	default:
		return fmt.Errorf("%q", line)
	}
}

func (b *ledgerBooks) each(key string, do func(a *account, amount uint64)) error {
	asked := b.asked[key]
	for i := 0; i+2 < len(asked); i += 3 {
		amount, err := strconv.ParseUint(asked[i+2], 10, 64)
		counter, counterErr := strconv.ParseInt(asked[i], 10, 64)
		if err != nil || counterErr != nil {
			return fmt.Errorf("%s: %v", key, asked)
		}
		b.last = max(b.last, counter)
		if b.accounts[asked[i]] == nil {
			b.accounts[asked[i]] = make(map[string]*account)
		}
		bySlot := b.accounts[asked[i]]
		if bySlot[asked[i+1]] == nil {
			bySlot[asked[i+1]] = &account{certain: amounts{}, possible: amounts{}}
		}
		do(bySlot[asked[i+1]], amount)
	}
	return nil
}

// balance compares the accounts with a store.
func (b *ledgerBooks) balance(summary *bolt.Summary) (failures []string) {
	used := map[string]uint64{}
	for _, counter := range summary.Counters {
		used[counter.Name] = counter.Used.Uint64()
	}
	for name, bySlot := range b.accounts {
		var least, most uint64
		for slot, a := range bySlot {
			least, most = least+a.certain.count(slot), most+a.possible.count(slot)
		}
		if n := used[name]; n > ledgerCap || n < least || n > most {
			failures = append(failures, fmt.Sprintf("counter %s: %d are used, of %d; %d are certain, %d possible", name, n, ledgerCap, least, most))
		}
	}
	return failures
}

// TestLedger kills a process that holds limits by the store's own methods:
// what was acknowledged is there afterwards, and what was given back is not.
func TestLedger(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := bolt.Create(path); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed(t), 1))
	books := &ledgerBooks{accounts: map[string]map[string]*account{}}
	points := []string{"", "store.before-commit", "store.after-commit"}
	kills := map[string]int{}
	for round := range max(rounds(t)/4, len(points)) {
		point := points[round%len(points)]
		if by, err := books.round(t, path, point, rng); err != nil {
			t.Fatalf("round %d, %q: %v", round, point, err)
		} else {
			kills[by]++
		}
		summary, err := bolt.Inspect(t.Context(), path, time.Now(), false)
		if err != nil {
			t.Fatal(err)
		}
		if failures := books.balance(summary); len(failures) > 0 {
			t.Fatalf("round %d, %q:\n%s", round, point, strings.Join(failures, "\n"))
		}
	}
	t.Logf("%d holds on %d counters; killed %v", books.held, len(books.accounts), kills)
	if books.held == 0 || len(books.accounts) < 3 || kills["store.before-commit"] == 0 || kills["store.after-commit"] == 0 {
		t.Error("too little happened for this to prove anything")
	}
}

// round runs a process until it is killed, and returns by what.
func (b *ledgerBooks) round(t *testing.T, path, point string, rng *rand.Rand) (by string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), ledgerVariable+"="+path, counterVariable+"="+strconv.FormatInt(max(0, b.last-1), 10),
		pointVariable+"="+point+" "+strconv.Itoa(1+rng.IntN(100)))
	var said strings.Builder
	command.Stderr = &said
	out, err := command.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	defer command.Process.Kill() //nolint:errcheck // it is gone already
	after := time.Duration(rng.Int64N(int64(200 * time.Millisecond)))
	if point != "" {
		after = patience
	}
	kill := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
	b.asked = map[string][]string{}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // an unfinished line was not said
		}
		if err != nil {
			return "", err
		}
		if line == "open\n" {
			kill.Reset(after)
		}
		if err := b.read(line); err != nil {
			return "", err
		}
	}
	if by = point; !kill.Stop() {
		by = "random"
	}
	if err := command.Wait(); fmt.Sprint(err) != "signal: killed" {
		return "", fmt.Errorf("the process ended by itself: %w: %s", err, said.String())
	}
	return by, nil
}
