package clefjs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	// MaxTimeout is the longest time limit of a call.
	MaxTimeout = 30 * time.Second

	// MaxMemory is the highest memory limit of a call, in bytes. To walk along a
	// chain of objects, such as prototypes, takes a multiple of their memory on
	// the stack, and a stack above 512 MiB ends the process.
	MaxMemory = 64 << 20

	// watchAfter is how long a script runs unwatched: nearly all end by then.
	watchAfter = 5 * time.Millisecond

	// watchEvery is how often a script that runs longer is looked at.
	watchEvery = 2 * time.Millisecond

	// stopWithin is how long a script that was interrupted may take to end. A
	// built-in function does not notice an interrupt; all that can run long
	// are bounded, so this is for what was overlooked.
	stopWithin = 750 * time.Millisecond

	// maxStuck is how many scripts that did not end are let run on.
	maxStuck = 2

	// maxCalls is how deep a script's calls may nest.
	maxCalls = 1024
)

// Why a script was stopped.
var (
	errMemory = errors.New("it uses too much memory")
	errStuck  = errors.New("it could not be stopped, and was left behind")
)

// timeError says that a script took too long.
type timeError time.Duration

func (e timeError) Error() string { return fmt.Sprintf("it runs longer than %s", time.Duration(e)) }

// guard stops scripts that run too long or use too much memory.
type guard struct {
	limit  time.Duration
	memory *memoryWatch
	stuck  atomic.Int32
}

func newGuard(limit time.Duration, memoryLimit uint64) *guard {
	return &guard{limit: limit, memory: newMemoryWatch(memoryLimit)}
}

// execution is one script that runs.
type execution struct {
	machine *machine
	clock   clock
	base    uint64        // of the heap, the smallest that was seen
	over    bool          // it sees the heap beyond the limit; of who watches
	cause   atomic.Value  // stopped: why it was stopped
	done    chan struct{} // closed when it has ended
	left    chan struct{} // closed when it is left behind
	err     error         // its result, after done
}

// stopped makes errors of different types fit into an atomic value.
type stopped struct{ error }

// run lets work use a machine until its time, its memory or ctx ends. When it
// returns an error the machine may still be in use, but its session is not.
func (g *guard) run(ctx context.Context, m *machine, work func() error) error {
	if g.stuck.Load() >= maxStuck {
		return fmt.Errorf("%d scripts could not be stopped: nothing is decided before they end", maxStuck)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	x := &execution{machine: m, done: make(chan struct{}), left: make(chan struct{})}
	m.running = x
	x.clock.start()
	go func() {
		defer close(x.done)
		defer func() {
			if crash := recover(); crash != nil {
				x.err = fmt.Errorf("the script crashed: %v\n%s", crash, debug.Stack())
			}
		}()
		x.err = work()
	}()
	timer := time.AfterFunc(min(watchAfter, g.limit), func() { g.watch(ctx, x) })
	defer timer.Stop()
	select {
	case <-x.done:
	case <-x.left:
		m.leave()
		return errStuck
	}
	if cause, ok := x.cause.Load().(stopped); ok {
		return stoppedError{cause: cause.error, at: x.err}
	}
	// The limit may be over before the watch has noticed, and what a script
	// did after it does not count.
	if x.clock.spent() >= g.limit {
		return stoppedError{cause: timeError(g.limit), at: x.err}
	}
	return x.err
}

// stop interrupts a script. The first cause stays.
func (x *execution) stop(cause error) {
	if x.cause.CompareAndSwap(nil, stopped{cause}) {
		x.machine.vm.Interrupt(cause)
	}
}

// watch looks at a script until it ends.
func (g *guard) watch(ctx context.Context, x *execution) {
	x.base = min(heap(), live())
	g.memory.add(x)
	defer g.memory.remove(x)
	defer g.memory.look(x, false)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for overdue := time.Duration(0); overdue < stopWithin; {
		select {
		case <-x.done:
			return
		case <-ticker.C:
		}
		if err := ctx.Err(); err != nil {
			x.stop(err)
		}
		if x.clock.spent() >= g.limit {
			x.stop(timeError(g.limit))
		}
		g.memory.look(x, x.grown() > g.memory.limit)
		if x.interrupted() {
			overdue += watchEvery
			continue // its memory is known: to collect garbage again takes long if there is much
		}
		g.memory.check(x)
	}
	g.stuck.Add(1)
	close(x.left)
	<-x.done
	g.stuck.Add(-1)
}

// stoppedError is a script that was stopped: why, and where it was.
type stoppedError struct{ cause, at error }

func (e stoppedError) Error() string   { return e.cause.Error() }
func (e stoppedError) Unwrap() []error { return []error{e.cause, e.at} }

// interrupted tells whether the script that runs is to end.
func (x *execution) interrupted() bool { return x.cause.Load() != nil }
