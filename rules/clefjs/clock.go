package clefjs

import (
	"sync"
	"time"
)

// clock counts the time that a script runs. While the script waits for the
// storage it stands still.
type clock struct {
	mu      sync.Mutex
	before  time.Duration // counted up to the last pause
	running time.Time     // since when it runs; zero: it stands still
}

// start lets the clock run.
func (c *clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = time.Now()
}

// pause stops the clock.
func (c *clock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before += time.Since(c.running)
	c.running = time.Time{}
}

// spent returns the time counted so far.
func (c *clock) spent() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running.IsZero() {
		return c.before
	}
	return c.before + time.Since(c.running)
}
