package keyvault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvclef/kvclef/backend"
)

// served takes all out of the lines and returns the names in their order.
func served(l *lines) (names string) {
	for w := l.next(); w != nil; w = l.next() {
		l.serve(w)
		names += w.line.name
	}
	return names
}

func TestLinesTakeTurns(t *testing.T) {
	type arrival struct {
		name         string
		weight, cost int
	}
	for name, c := range map[string]struct {
		arrive []arrival
		want   string
	}{
		"one caller":           {[]arrival{{"a", 1, 1}, {"a", 1, 1}}, "aa"},
		"equals":               {[]arrival{{"a", 1, 2}, {"a", 1, 2}, {"a", 1, 2}, {"b", 1, 2}, {"b", 1, 2}, {"c", 1, 2}}, "abcaba"},
		"twice the weight":     {[]arrival{{"a", 1, 2}, {"a", 1, 2}, {"a", 1, 2}, {"b", 2, 2}, {"b", 2, 2}, {"b", 2, 2}}, "abbaba"},
		"twice the cost":       {[]arrival{{"a", 1, 2}, {"a", 1, 2}, {"b", 1, 1}, {"b", 1, 1}, {"b", 1, 1}, {"b", 1, 1}}, "abbabb"},
		"what is left counts":  {[]arrival{{"a", 1, 1}, {"a", 1, 2}, {"a", 1, 2}, {"b", 1, 2}, {"b", 1, 2}, {"b", 1, 2}}, "ababab"},
		"none waits":           {nil, ""},
		"the name says nobody": {[]arrival{{"", 1, 1}, {"a", 1, 1}}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLines(100, 2)
			for _, a := range c.arrive {
				if added, displaced := l.push(backend.Caller{Name: a.name, Weight: a.weight}, a.cost); added == nil || displaced != nil {
					t.Fatal("there is room")
				}
			}
			if got := served(l); got != c.want {
				t.Errorf("served %q, want %q", got, c.want)
			}
			if l.count != 0 || len(l.byName) != 0 || l.round.Len() != 0 {
				t.Errorf("%d, %d and %d are left", l.count, len(l.byName), l.round.Len())
			}
		})
	}
}

func TestTheLongestLineMakesRoom(t *testing.T) {
	l := newLines(4, 1)
	a, b, heavy := backend.Caller{Name: "a", Weight: 1}, backend.Caller{Name: "b", Weight: 1}, backend.Caller{Name: "h", Weight: 4}
	for range 4 {
		l.push(a, 1)
	}
	if added, displaced := l.push(a, 1); added != nil || displaced != nil {
		t.Error("a fifth of the longest line was let in")
	}
	for range 2 {
		added, displaced := l.push(b, 1)
		if added == nil || displaced == nil || displaced.line.name != "a" {
			t.Fatalf("got %v, %v, want room made by a", added, displaced)
		}
	}
	if added, displaced := l.push(b, 1); added != nil || displaced != nil {
		t.Error("b was let in where it has its share")
	}
	if added, displaced := l.push(heavy, 1); added == nil || displaced == nil {
		t.Error("a heavier caller found no room")
	}
	if l.count != 4 {
		t.Errorf("%d wait, want 4", l.count)
	}
}

// TestLinesAgainstTheirPromises: whatever comes and goes, in any order, what is
// waiting is counted right, and while callers have something waiting their shares
// differ by no more than a round.
func TestLinesAgainstTheirPromises(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		l := newLines(64, 2)
		var waiting []*waiter
		units := make(map[string]int)
		for range 400 {
			switch n := random.IntN(10); {
			case n < 6:
				added, displaced := l.push(backend.Caller{Name: fmt.Sprint(random.IntN(5)), Weight: 1 + random.IntN(2)}, 1+random.IntN(2))
				if displaced != nil {
					waiting = without(waiting, displaced)
				}
				if added != nil {
					waiting = append(waiting, added)
				}
			case n < 8 && len(waiting) > 0:
				gone := waiting[random.IntN(len(waiting))]
				l.remove(gone)
				l.remove(gone) // again is nothing
				waiting = without(waiting, gone)
			default:
				if next := l.next(); next != nil {
					l.serve(next)
					waiting = without(waiting, next)
					units[next.line.name] += next.cost
				}
			}
			counted, most := 0, 0
			for _, of := range l.byName {
				sum := 0
				for _, w := range of.waiting {
					sum += w.cost
				}
				if sum != of.units || len(of.waiting) == 0 || of.credit < 0 || of.credit >= (of.weight+1)*l.quantum*2 {
					t.Fatalf("line %+v", of)
				}
				counted += len(of.waiting)
				most = max(most, of.credit)
			}
			if counted != len(waiting) || l.count != len(waiting) || l.round.Len() != len(l.byName) || l.count > 64 {
				t.Fatalf("%d and %d wait, want %d", counted, l.count, len(waiting))
			}
		}
	}
}

func without(waiting []*waiter, gone *waiter) []*waiter {
	for i, w := range waiting {
		if w == gone {
			return append(waiting[:i:i], waiting[i+1:]...)
		}
	}
	return waiting
}

// TestAGreedyCallerGetsItsShareAlone: one caller has a hundred times more waiting
// than three others, and all have the same share; the weight of one is twofold.
func TestAGreedyCallerGetsItsShareAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100, 1, 64, 4096, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var mu sync.Mutex
		got := make(map[string]int)
		var wg sync.WaitGroup
		ask := func(ctx context.Context, name string) bool {
			ok, _ := g.enter(ctx, 1)
			if !ok {
				return false
			}
			began := time.Now()
			<-time.After(10 * time.Millisecond)
			g.leave(began, true)
			mu.Lock()
			defer mu.Unlock()
			got[name]++
			return true
		}
		for name, callers := range map[string]struct{ parallel, weight int }{"greedy": {400, 1}, "b": {4, 1}, "c": {4, 1}, "heavy": {8, 2}} {
			ctx := backend.WithCaller(ctx, backend.Caller{Name: name, Weight: callers.weight})
			for range callers.parallel {
				wg.Go(func() {
					for ctx.Err() == nil {
						patience, cancel := context.WithTimeout(ctx, 2*time.Second)
						ok := ask(patience, name)
						cancel()
						if !ok {
							<-time.After(20 * time.Millisecond)
						}
					}
				})
			}
		}
		wg.Wait()
		total := got["greedy"] + got["b"] + got["c"] + got["heavy"]
		if total < 960 || total > 1000 {
			t.Errorf("%d in 10 s at 100 a second", total)
		}
		for name, share := range map[string]int{"greedy": 5, "b": 5, "c": 5, "heavy": 2} {
			if want := 1000 * 1 / share; name == "heavy" && (got[name] < 370 || got[name] > 410) || name != "heavy" && (got[name] < want-20 || got[name] > want+20) {
				t.Errorf("%s got %d of %d", name, got[name], total)
			}
		}
		if g.inFlight != 0 || g.lines.count != 0 {
			t.Errorf("%d in flight and %d waiting are left", g.inFlight, g.lines.count)
		}
	})
}

// TestTheEstimateIsKept: whoever is let wait gets its turn within the time that
// it has, and whoever is turned away could not have had it. The callers come in
// turn: an estimate knows nothing of who comes later and takes a share.
func TestTheEstimateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(100, 1, 8, 4096, time.Second)
		var late, turned, entered int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				ctx := backend.WithCaller(t.Context(), backend.Caller{Name: fmt.Sprint(i % 4)})
				ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
				defer cancel()
				began := time.Now()
				ok, wait := g.enter(ctx, 1)
				mu.Lock()
				switch {
				case ok:
					entered++
				case time.Since(began) > 0:
					late++
				default:
					turned++
					if wait <= 0 {
						t.Errorf("no hint: %v", wait)
					}
				}
				mu.Unlock()
				if ok {
					g.leave(time.Now(), true)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if entered < 195 || entered > 215 || late > 4 { // one of each line may just miss it
			t.Errorf("%d entered, %d were turned away and %d too late", entered, turned, late)
		}
	})
}

func TestATurnThatIsNotUsedIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(10, 1, 1, 16, time.Second)
		for range 100 { // costs no time
			if ok, _ := g.enter(t.Context(), 1); !ok {
				t.Fatal("turned away")
			}
			g.giveBack(1)
		}
		began := time.Now()
		if ok, _ := g.enter(t.Context(), 1); !ok || time.Since(began) > 0 {
			t.Errorf("entered after %v", time.Since(began))
		}
		waiting := make(chan bool)
		go func() { ok, _ := g.enter(t.Context(), 1); waiting <- ok }()
		synctest.Wait()
		g.giveBack(1) // whoever waits gets it
		if !<-waiting || time.Since(began) > 0 {
			t.Errorf("the next entered after %v", time.Since(began))
		}
	})
}

func TestWhoeverIsGoneLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(-1, 1, 1, 16, time.Second)
		g.enter(t.Context(), 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		for range 5 {
			go func() { ok, _ := g.enter(ctx, 1); done <- ok }()
		}
		synctest.Wait()
		cancel()
		for range 5 {
			if <-done {
				t.Error("entered where there is no room")
			}
		}
		if g.lines.count != 0 {
			t.Errorf("%d still wait", g.lines.count)
		}
		g.leave(time.Now(), true)
		if ok, _ := g.enter(t.Context(), 1); !ok {
			t.Error("a slot was lost")
		}
	})
}
