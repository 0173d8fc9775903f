//go:build linux

package overload_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kvclef/kvclef/backend/emulator"
	"github.com/kvclef/kvclef/cmd/internal/proxied"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// form is how long and how hard.
type form struct {
	warmUp, duration time.Duration
	limit            int     // requests a second of a vault
	offered          float64 // times the limit of one vault
	offeredTwo       float64 // times the limit of two
	ofVault          string  // settings of a vault
	settings         string  // others
	greedy, others   int     // places of callers
	measures         bool    // asserts what depends on the speed of the machine
}

// formOf returns the long form if DURATION is set.
func formOf(t *testing.T) form {
	t.Helper()
	if testing.Short() {
		t.Skip("builds kvclef and loads it")
	}
	text := os.Getenv("DURATION")
	if text == "" {
		return form{
			warmUp: time.Second, duration: 3 * time.Second, limit: 60, offered: 5, offeredTwo: 5, greedy: 160, others: 24,
			ofVault:  "    requests_per_second: 60\n    try_timeout: 1s\n",
			settings: "limits: {callers: {default: {in_flight: 12}, principals: {greedy: {in_flight: 140}}}}\n",
		}
	}
	duration, err := time.ParseDuration(text)
	ok(t, err)
	// All bounds are the defaults. Together the callers have fewer connections than
	// a listener takes.
	return form{warmUp: 6 * time.Second, duration: duration, limit: 400, offered: 5, offeredTwo: 2, greedy: 140, others: 90, measures: true}
}

var names = []string{"greedy", "a", "b", "c", "d"}

// callers makes callers who offer so many requests a second together, the first so
// many times more than each of the others.
func (f form) callers(t *testing.T, s *signer, offered, times float64) []*caller {
	t.Helper()
	nonce := new(atomic.Uint64)
	each := offered / (times + float64(len(names)-1))
	callers := []*caller{newCaller(t, s, names[0], times*each, f.greedy, nonce)}
	for _, name := range names[1:] {
		callers = append(callers, newCaller(t, s, name, each, f.others, nonce))
	}
	return callers
}

// send has callers send until it is ended, which waits for the last answer.
func send(ctx context.Context, callers []*caller) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, c := range callers {
		group.Go(func() { c.send(ctx) })
	}
	return func() {
		cancel()
		group.Wait()
	}
}

// measured is what happens to callers who send in the meantime.
func (f form) measured(t *testing.T, s *signer, callers []*caller, duration time.Duration) *figures {
	t.Helper()
	<-time.After(f.warmUp)
	throttled, before, from := s.throttled(), s.usage(t), time.Now()
	<-time.After(duration)
	to := time.Now()
	figures := between(callers, from, to)
	figures.cpu, figures.throttled = s.usage(t).CPU-before.CPU, s.throttled()-throttled
	return figures
}

// everything is what became of all requests.
func everything(callers []*caller) *figures {
	return between(callers, time.Time{}, time.Now().Add(time.Hour))
}

// TestOverload loads one vault, and then two, of which one comes to fail.
func TestOverload(t *testing.T) {
	f := formOf(t)
	program, err := proxied.Build(t.Context(), t.TempDir())
	ok(t, err)
	t.Run("one vault", func(t *testing.T) { f.oneVault(t, program) })
	for name, off := range map[string]func(*emulator.Server) error{
		"one is turned off": (*emulator.Server).Close,
		"one falls silent":  func(vault *emulator.Server) error { vault.SetLatency(time.Hour); return nil },
	} {
		t.Run("of two vaults with one key "+name, func(t *testing.T) { f.twoVaults(t, program, name, off) })
	}
}

// oneVault: of five times what a vault can sign, by callers of whom one sends ten
// times more than the others, as much is signed as the vault can, each caller gets as
// much of it, and the rest is told when to come back.
func (f form) oneVault(t *testing.T, program string) {
	s := start(t, program, 1, f.limit, f.ofVault, f.settings)
	callers := f.callers(t, s, f.offered*float64(f.limit), 10)
	end := send(t.Context(), callers)
	window := f.measured(t, s, callers, f.duration)
	end()
	all := everything(callers)
	f.answered(t, s, all)
	fair(t, window)
	if s.digests() != all.signed {
		t.Errorf("%d were answered with a signature, and the vault signed %d", all.signed, s.digests())
	}
	afterwards(t, s, callers)
	if used, digests := s.stop(t), s.digests(); used != digests {
		t.Errorf("%d are counted of %d", used, digests)
	}
	if !f.measures {
		return
	}
	tb := newTable(names)
	tb.row("one vault", float64(f.limit), window)
	t.Logf("\n%s", tb)
	f.reached(t, window, 1)
	if p99 := percentile(window.took, 99); p99 > 10*time.Second {
		t.Errorf("one of a hundred took %s: the bound on waiting is 10s", p99)
	}
	if jain := window.jain(); jain < 0.95 {
		t.Errorf("the fairness index is %.3f of shares %v", jain, window.shares)
	}
}

// answered checks what holds of all requests on any machine.
func (f form) answered(t *testing.T, s *signer, all *figures) {
	t.Helper()
	for i, err := range all.failed {
		if i == 10 {
			t.Errorf("and %d more", len(all.failed)-i)
			break
		}
		t.Errorf("neither signed nor refused: %v", err)
	}
	if all.signed == 0 || all.refused == 0 {
		t.Errorf("%d were signed and %d refused", all.signed, all.refused)
	}
	most := all.signed / 20
	if f.measures {
		most = all.signed / 100
	}
	if n := s.throttled(); n > most {
		t.Errorf("the vaults answered %d requests with 429, and signed %d", n, s.digests())
	}
}

// fair: while all ask, nobody gets less than half of its share.
func fair(t *testing.T, window *figures) {
	t.Helper()
	t.Logf("of %d signatures %v", window.signed, window.shares)
	for name, share := range window.shares {
		if 2*len(window.shares)*share < window.signed {
			t.Errorf("%s got %d of %d signatures", name, share, window.signed)
		}
	}
}

// afterwards: once nobody else asks, whoever asks gets a signature.
func afterwards(t *testing.T, s *signer, callers []*caller) {
	t.Helper()
	for _, c := range callers {
		if a := c.ask(); a.err != nil || a.refused {
			t.Errorf("%s, after the load: refused %v, %v", c.name, a.refused, a.err)
		}
	}
}

// reached checks the throughput of as many vaults.
func (f form) reached(t *testing.T, window *figures, vaults int) {
	t.Helper()
	if limit := float64(vaults * f.limit); window.perSecond() < 0.95*limit {
		t.Errorf("%.1f a second are signed of %.0f", window.perSecond(), limit)
	}
}

// twoVaults that hold one key sign as much as two. When one of them fails, the other
// goes on, and whoever loses by it is told to come back.
func (f form) twoVaults(t *testing.T, program, failure string, off func(*emulator.Server) error) {
	s := start(t, program, 2, f.limit, f.ofVault, f.settings)
	callers := f.callers(t, s, f.offeredTwo*float64(2*f.limit), 1)
	end := send(t.Context(), callers)
	defer end()
	if !f.measures {
		f.warmUp, f.duration = 500*time.Millisecond, time.Second
	}
	both := f.measured(t, s, callers, f.duration)
	shares := []int{s.vaults[0].Count(emulator.OpSign), s.vaults[1].Count(emulator.OpSign)}
	ok(t, off(s.vaults[1]))
	s.goesOn(t, s.vaults[0].Count(emulator.OpSign)+f.limit)
	alone := f.measured(t, s, callers, f.duration/2)
	end()
	all := everything(callers)
	f.answered(t, s, all)
	if min(shares[0], shares[1]) == 0 {
		t.Errorf("the vaults were asked %v times", shares)
	}
	afterwards(t, s, callers)
	signed := all.signed + len(callers)
	// What the vault that went off has signed last, it could not tell.
	if used, digests := s.stop(t), s.digests(); signed > digests || used < digests || used > digests+all.refused {
		t.Errorf("%d were answered with a signature, %d signed, %d counted", signed, digests, used)
	}
	if !f.measures {
		return
	}
	tb := newTable(names)
	tb.row("two vaults", float64(2*f.limit), both)
	tb.row(failure, float64(f.limit), alone)
	t.Logf("asked %v times, then\n%s", shares, tb)
	f.reached(t, both, 2)
	f.reached(t, alone, 1)
	if ratio := both.perSecond() / alone.perSecond(); ratio < 1.9 {
		t.Errorf("two vaults sign %.2f times as much as one", ratio)
	}
	for _, window := range []*figures{both, alone} {
		if jain := window.jain(); jain < 0.95 {
			t.Errorf("the fairness index is %.3f of shares %v", jain, window.shares)
		}
	}
}

// goesOn waits until the first vault was asked so many times.
func (s *signer) goesOn(t *testing.T, asked int) {
	t.Helper()
	again, late := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer again.Stop()
	for s.vaults[0].Count(emulator.OpSign) < asked {
		select {
		case <-again.C:
		case <-late:
			ok(t, errors.New("the other vault is not asked any more"))
		}
	}
}
