package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/kvclef/kvclef/rules/store"
)

// Bounds of what waits for a transaction, and of what shares one.
const (
	maxWaiting      = 1024
	maxWaitingBytes = 64 << 20
	maxShared       = 64
	maxSharedBytes  = 4 << 20
)

// job is what is asked of a group. Its state belongs to the group's lock.
type job struct {
	weight int // bytes
	done   chan error
	begun  bool
	gone   bool // nobody waits for it any more
}

func (j *job) base() *job { return j }

type grouped interface{ base() *job }

// group makes one transaction of what several ask for at a time.
type group[J grouped] struct {
	name string
	run  func(jobs []J) // answers each by finish

	mu      sync.Mutex
	wake    sync.Cond
	queue   []J
	waiting int // jobs, with those that are withdrawn
	bytes   int
	closed  bool
	workers sync.WaitGroup
}

func newGroup[J grouped](name string, workers int, run func([]J)) *group[J] {
	g := &group[J]{name: name, run: run}
	g.wake.L = &g.mu
	for range workers {
		g.workers.Go(g.work)
	}
	return g
}

// do waits until a job is done, or ctx ends. Then begun tells whether the job may
// be done all the same; the group has taken note that nobody waits.
func (g *group[J]) do(ctx context.Context, asked J) (begun bool, err error) {
	j := asked.base()
	j.done = make(chan error, 1)
	g.mu.Lock()
	switch {
	case g.closed:
		g.mu.Unlock()
		return false, ErrClosed
	case g.waiting >= maxWaiting || g.bytes+j.weight > maxWaitingBytes:
		g.mu.Unlock()
		return false, &store.BusyError{Queue: g.name}
	}
	g.queue = append(g.queue, asked)
	g.waiting++
	g.bytes += j.weight
	g.mu.Unlock()
	g.wake.Signal()

	select {
	case err := <-j.done:
		return true, err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case err := <-j.done: // it came at the same time
		return true, err
	default:
	}
	j.gone = true
	if j.begun {
		return true, fmt.Errorf("waiting for the database, which may do it all the same: %w", context.Cause(ctx))
	}
	g.bytes -= j.weight
	return false, fmt.Errorf("waiting for a turn: %w", context.Cause(ctx))
}

// finish answers a job. It tells whether somebody got the answer.
func (g *group[J]) finish(asked J, err error) (heard bool) {
	j := asked.base()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bytes -= j.weight
	j.done <- err
	return !j.gone
}

// take waits for jobs; none when the group has ended.
func (g *group[J]) take() []J {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		var jobs []J
		weight, n := 0, 0
		for ; n < len(g.queue) && len(jobs) < maxShared; n++ {
			j := g.queue[n].base()
			if j.gone {
				continue
			}
			if weight += j.weight; weight > maxSharedBytes && len(jobs) > 0 {
				break
			}
			j.begun = true
			jobs = append(jobs, g.queue[n])
		}
		g.waiting -= n
		g.queue = append(g.queue[:0:0], g.queue[n:]...)
		if len(jobs) > 0 {
			return jobs
		}
		if g.closed {
			return nil
		}
		g.wake.Wait()
	}
}

func (g *group[J]) work() {
	for {
		jobs := g.take()
		if jobs == nil {
			return
		}
		g.run(jobs)
	}
}

// close does what was asked for before, and nothing more.
func (g *group[J]) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wake.Broadcast()
	g.workers.Wait()
}
