package callers

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) pass(wait time.Duration) { c.at = c.at.Add(wait) }
func newDesk(cfg Config) (*Desk, *clock) {
	c := &clock{time.Unix(1e9, 0)}
	d := New(cfg)
	d.now = c.now
	return d, c
}
func visit(d *Desk, name string) (*Visit, error) { return d.Enter(name, name) }

// busy returns the error of a caller who is over a bound.
func busy(t *testing.T, err error) *BusyError {
	t.Helper()
	var b *BusyError
	if !errors.As(err, &b) || b.RetryAfter() <= 0 || b.Public() == "" || !b.NotSigned() {
		t.Fatalf("got %v, want a *BusyError with when to come back", err)
	}
	return b
}

func TestARateIsKept(t *testing.T) {
	d, c := newDesk(Config{Default: Limits{Rate: 10, Burst: 5}, Named: map[string]Limits{"batcher": {Rate: 100, Burst: 50}, "free": {}}})
	in := func(name string, tries int) (in int) {
		for range tries {
			if v, err := visit(d, name); err == nil {
				in++
				v.Leave()
			} else {
				busy(t, err)
			}
		}
		return in
	}
	for _, want := range []struct {
		name string
		in   int
	}{{"a", 5}, {"b", 5}, {"batcher", 50}, {"free", 1000}} {
		if got := in(want.name, 1000); got != want.in {
			t.Errorf("%s: %d of 1000 at once, want %d", want.name, got, want.in)
		}
	}
	_, err := visit(d, "a")
	if b := busy(t, err); b.RetryAfter() != 100*time.Millisecond || b.Text != "busy: this caller may send 10 requests a second" {
		t.Errorf("got %v, %q", b.RetryAfter(), b.Text)
	}
	// Whoever is turned away pays nothing: a second brings what it promises.
	c.pass(time.Second / 2)
	if got := in("a", 1000); got != 5 {
		t.Errorf("%d after half a second, want 5", got)
	}
}

func TestRequestsUnderWayAreBounded(t *testing.T) {
	d, _ := newDesk(Config{Default: Limits{InFlight: 3}})
	var inside []*Visit
	for range 3 {
		v, err := visit(d, "a")
		if err != nil {
			t.Fatal(err)
		}
		inside = append(inside, v)
	}
	_, err := visit(d, "a")
	busy(t, err)
	if other, err := visit(d, "b"); err != nil {
		t.Errorf("another caller: %v", err)
	} else {
		other.Leave()
	}
	inside[0].Leave()
	if _, err := visit(d, "a"); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

// TestPlacesAreShared: whoever asks for all that it can get leaves room for the next.
func TestPlacesAreShared(t *testing.T) {
	const places = 512
	d, _ := newDesk(Config{Places: places, Named: map[string]Limits{"heavy": {Weight: 2}, "bound": {InFlight: 7}}})
	inside := make(map[string][]*Visit)
	enter := func(name string) {
		for range places {
			if v, err := visit(d, name); err == nil {
				inside[name] = append(inside[name], v)
			} else {
				busy(t, err)
			}
		}
	}
	leave := func(name string, n int) {
		for _, v := range inside[name][:n] {
			v.Leave()
		}
		inside[name] = inside[name][n:]
	}
	enter("a")
	if n := len(inside["a"]); n != places/2 {
		t.Errorf("one alone has %d of %d", n, places)
	}
	for range 20 { // a's and b's requests end, and both ask again
		enter("b")
		leave("a", len(inside["a"])/4)
		enter("a")
		leave("b", len(inside["b"])/4)
	}
	enter("b")
	for name, visits := range inside {
		if n := len(visits); n < places/3 || n > places/3+2 {
			t.Errorf("%s, one of two, has %d of %d", name, n, places)
		}
	}
	enter("bound")
	if n := len(inside["bound"]); n != 7 {
		t.Errorf("its own bound is 7, and it has %d", n)
	}
	for _, name := range []string{"a", "b", "bound"} {
		leave(name, len(inside[name]))
	}
	if enter("heavy"); len(inside["heavy"]) != places*2/3+1 { // rounded up
		t.Errorf("twice the weight has %d of %d", len(inside["heavy"]), places)
	}
	if leave("heavy", len(inside["heavy"])); d.inside != 0 {
		t.Errorf("%d are left", d.inside)
	}
}

// TestManyShareThePlaces: however many callers ask for all that they can get, and
// whoever came first, as requests end all come to have as many, and some are free for
// the next.
func TestManyShareThePlaces(t *testing.T) {
	const places, many = 512, 20
	d, _ := newDesk(Config{Places: places})
	inside := make(map[string][]*Visit)
	for round := range 400 {
		for i := range many {
			name := fmt.Sprint(i)
			if round > 0 && len(inside[name]) > 0 {
				inside[name][0].Leave()
				inside[name] = inside[name][1:]
			}
			for range places {
				v, err := visit(d, name)
				if err != nil {
					break
				}
				inside[name] = append(inside[name], v)
			}
		}
	}
	fair := places / (many + 1)
	for name, visits := range inside {
		if n := len(visits); n < fair-1 || n > fair+2 {
			t.Errorf("%s has %d, want about %d", name, n, fair)
		}
	}
	if free := places - d.inside; len(inside) != many || free < fair-2 {
		t.Errorf("%d callers have %d of %d", len(inside), d.inside, places)
	}
}

// TestWorkIsBounded: one request may be more than there is, which is then made up
// for; and whatever is asked, no more than the rate is done in the long run.
func TestWorkIsBounded(t *testing.T) {
	d, c := newDesk(Config{})
	v, err := visit(d, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Work(3 * time.Second); err != nil {
		t.Fatalf("one that is large: %v", err)
	}
	if b := busy(t, v.Work(time.Millisecond)); b.RetryAfter() < 4*time.Second || b.RetryAfter() > 5*time.Second {
		t.Errorf("to be made up for in %v", b.RetryAfter())
	}
	if err := v.Work(0); err != nil {
		t.Errorf("no work: %v", err)
	}
	c.pass(5 * time.Second)
	done := time.Duration(0)
	for range 10_000 {
		if v.Work(20*time.Millisecond) == nil {
			done += 20 * time.Millisecond
		}
		c.pass(10 * time.Millisecond)
	}
	if most := 100*WorkRate + WorkAtOnce + 20*time.Millisecond; done > most || done < most*9/10 {
		t.Errorf("%v of work in 100 s, want about %v", done, most)
	}
	c.pass(time.Hour)
	for done = 0; v.Work(20*time.Millisecond) == nil && done < time.Hour; done += 20 * time.Millisecond {
	}
	if done > WorkAtOnce+20*time.Millisecond {
		t.Errorf("%v of work at once after an hour without any", done)
	}
	var nobody *Visit
	if err := nobody.Work(time.Hour); err != nil || nobody.Weight() != 1 {
		t.Error("nobody has bounds")
	}
	nobody.Leave()
}

func TestNamesAndPrincipals(t *testing.T) {
	d, _ := newDesk(Config{Named: map[string]Limits{"anonymous": {InFlight: 1, Weight: 3}}})
	http, err := d.Enter("anonymous on http", "anonymous")
	if err != nil || http.Weight() != 3 {
		t.Fatalf("got %v, weight %d", err, http.Weight())
	}
	if _, err := d.Enter("anonymous on rpc", "anonymous"); err != nil {
		t.Errorf("another listener has bounds of its own: %v", err)
	}
	if _, err := d.Enter("anonymous on http", "anonymous"); err == nil {
		t.Error("the bound of the listener is not kept")
	}
}

// TestManyNames: whoever has names without end shares the bounds of one.
func TestManyNames(t *testing.T) {
	d, c := newDesk(Config{Default: Limits{InFlight: 2}})
	let := 0
	for i := range 2 * maxKnown {
		if _, err := visit(d, fmt.Sprint(i)); err == nil {
			let++
		}
	}
	if let != maxKnown+2 || len(d.known) != maxKnown {
		t.Errorf("%d let in, %d known", let, len(d.known))
	}
	c.pass(2 * idle)
	if _, err := visit(d, "new"); err == nil {
		t.Error("those who are inside were forgotten")
	}
	quiet, c := newDesk(Config{})
	for i := range 3 * maxKnown {
		v, err := visit(quiet, fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		v.Leave()
		c.pass(idle / maxKnown * 2)
	}
	if len(quiet.known) > maxKnown || quiet.others != nil {
		t.Errorf("%d known, and others %v", len(quiet.known), quiet.others != nil)
	}
}

// TestManyNamesGiveNoRateBack: a caller who has used what it may is not forgotten, and as
// new, when many others come.
func TestManyNamesGiveNoRateBack(t *testing.T) {
	d, c := newDesk(Config{Default: Limits{Rate: 1. / 3600, Burst: 1}})
	for i := range maxKnown {
		if i == maxKnown-1 {
			c.pass(idle - time.Second)
		}
		v, err := visit(d, fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		v.Leave()
	}
	c.pass(time.Second)
	if _, err := visit(d, "new"); err != nil {
		t.Fatal(err)
	}
	_, err := visit(d, fmt.Sprint(maxKnown-1))
	busy(t, err)
	if len(d.known) != 2 {
		t.Errorf("%d known, want the last two", len(d.known))
	}
	if c.pass(2 * idle); !d.forget(c.now()) || d.forget(c.now()) {
		t.Error("all names are looked at more than once in a second")
	}
}

func TestTextsOfRates(t *testing.T) {
	for rate, want := range map[float64]string{
		50: "busy: this caller may send 50 requests a second", 0.5: "busy: this caller may send 30 requests a minute",
		2. / 3600: "busy: this caller may send 2 requests an hour",
	} {
		if got := tooManyRequests(rate); got != want {
			t.Errorf("%v: %q", rate, got)
		}
	}
}

func TestManyAtTheSameTime(t *testing.T) {
	d := New(Config{Default: Limits{InFlight: 8}})
	var now, most atomic.Int32
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 200 {
				v, err := visit(d, "a")
				if err != nil {
					continue
				}
				for n, seen := now.Add(1), most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
				}
				now.Add(-1)
				v.Leave()
			}
		})
	}
	wg.Wait()
	if most.Load() > 8 || d.known["a"].inFlight != 0 {
		t.Errorf("%d at once, %d left", most.Load(), d.known["a"].inFlight)
	}
}

func BenchmarkEnter(b *testing.B) {
	d := New(Config{Default: Limits{Rate: 1e9, Burst: 1 << 30, InFlight: 1000}})
	b.ReportAllocs()
	for b.Loop() {
		v, err := d.Enter("a", "a")
		if err != nil {
			b.Fatal(err)
		}
		v.Leave()
	}
}

// TestManyNamesLeaveTheNamedAlone: whoever can have any number of names takes no
// bounds of a caller that the configuration names.
func TestManyNamesLeaveTheNamedAlone(t *testing.T) {
	d := New(Config{Default: Limits{InFlight: 1}, Named: map[string]Limits{"treasury": {InFlight: 3}}})
	for i := range maxKnown + 2 {
		name := fmt.Sprintf("stranger-%d", i)
		if _, err := d.Enter(name, name); err != nil && i <= maxKnown {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for range 3 {
		if _, err := d.Enter("treasury", "treasury"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Enter("treasury", "treasury"); err == nil {
		t.Error("it has no bound any more")
	}
	if _, err := d.Enter("one more", "one more"); err == nil {
		t.Error("those beyond have bounds each")
	}
}
