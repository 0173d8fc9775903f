package clefjs

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// collectEvery is the shortest time between two collections that a check for
// memory asks for.
const collectEvery = 20 * time.Millisecond

// memoryWatch watches how the heap grows while scripts run. Go does not count by
// goroutine, so that the script that runs longest answers for all.
type memoryWatch struct {
	limit     uint64 // bytes
	mu        sync.Mutex
	scripts   []*execution // in the order of their start
	checking  sync.Mutex
	collected time.Time

	over  atomic.Int32  // scripts that see the heap beyond the limit
	alone chan struct{} // holds one while a call has its turn
}

func newMemoryWatch(limit uint64) *memoryWatch {
	return &memoryWatch{limit: limit, alone: make(chan struct{}, 1)}
}

// turn has calls that begin while the heap is beyond the limit run one after the other:
// what each takes before it is stopped would add up. What it returns gives the turn
// back, and may be called again. The error is a *BusyError if the wait was too long.
func (m *memoryWatch) turn(ctx context.Context, patience time.Duration) (leave func(), err error) {
	if m.over.Load() == 0 {
		return func() {}, nil
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	started := time.Now()
	select {
	case m.alone <- struct{}{}:
		return sync.OnceFunc(func() { <-m.alone }), nil
	case <-wait.Done():
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("waiting for calls of the rule file that fill the memory: %w", err)
	}
	return nil, &BusyError{For: "calls of the rule file that fill the memory", Wait: time.Since(started).Round(time.Millisecond), Err: wait.Err()}
}

// look notes whether a script sees the heap beyond the limit.
func (m *memoryWatch) look(x *execution, over bool) {
	if over == x.over {
		return
	}
	x.over = over
	if over {
		m.over.Add(1)
	} else {
		m.over.Add(-1)
	}
}

// heap returns the bytes of objects, garbage that is not collected yet
// included, and of stacks.
func heap() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}

// live returns the bytes that were in use when garbage was last collected, and
// of stacks.
func live() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}

func (m *memoryWatch) add(x *execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts = append(m.scripts, x)
}

func (m *memoryWatch) remove(x *execution) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, script := range m.scripts {
		if script == x {
			m.scripts = append(m.scripts[:i], m.scripts[i+1:]...)
			return
		}
	}
}

// grown returns by how much the heap is larger than it was.
func (x *execution) grown() uint64 {
	now := heap()
	x.base = min(x.base, now)
	return now - x.base
}

// check stops the script that runs longest if the heap grew beyond the limit
// since it was smallest while x ran. Garbage does not count: it is collected
// first, and what there was of it at the start hides nothing.
func (m *memoryWatch) check(x *execution) {
	if x.grown() <= m.limit || !m.checking.TryLock() {
		return
	}
	defer m.checking.Unlock()
	if time.Since(m.collected) < collectEvery {
		return
	}
	runtime.GC()
	m.collected = time.Now()
	if x.grown() <= m.limit {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, script := range m.scripts {
		if script.cause.Load() == nil {
			script.stop(errMemory)
			return
		}
	}
}
