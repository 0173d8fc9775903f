package keyvault

import (
	"context"
	"sync"
	"time"
)

// breaker stops asking a vault that does not answer. It opens after several
// failures in a row that are spread over some time (one broken connection can
// fail many requests at once), and then lets single requests probe.
type breaker struct {
	count   int
	span    time.Duration
	openFor time.Duration // before the first probe; doubles up to eightfold

	mu      sync.Mutex
	failed  int       // in a row
	first   time.Time // when the row began
	opened  int       // times opened in a row; 0 is closed
	until   time.Time // no probe before
	probing chan struct{}
}

// verdict is what a request showed about the vault.
type verdict uint8

const (
	inconclusive verdict = iota // it says nothing about the vault
	alive                       // the vault answered
	outage                      // the vault is out of reach or broken
)

// enter asks whether a request may be sent, and whether it is a probe. While
// another request probes, it waits for its outcome. It returns the time until
// the next probe when the vault is not to be asked, else 0.
func (b *breaker) enter(ctx context.Context) (probe bool, wait time.Duration) {
	for {
		b.mu.Lock()
		if b.opened == 0 {
			b.mu.Unlock()
			return false, 0
		}
		if wait := time.Until(b.until); wait > 0 {
			b.mu.Unlock()
			return false, wait
		}
		probing := b.probing
		if probing == nil {
			b.probing = make(chan struct{})
			b.mu.Unlock()
			return true, 0
		}
		b.mu.Unlock()
		select {
		case <-probing:
		case <-ctx.Done():
			return false, b.openFor
		}
	}
}

// blocked returns how long the vault is not to be asked, without asking to be let
// in, and whether a request probes, for whose outcome all others would wait.
func (b *breaker) blocked() (wait time.Duration, probing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened == 0 {
		return 0, false
	}
	return max(0, time.Until(b.until)), b.probing != nil
}

// leave takes in the outcome of a request that was let in.
func (b *breaker) leave(probe bool, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch v {
	case alive:
		b.failed, b.opened = 0, 0
	case outage:
		if b.failed++; b.failed == 1 {
			b.first = now
		}
		if probe || b.opened == 0 && b.failed >= b.count && now.Sub(b.first) >= b.span {
			b.until = now.Add(b.openFor << min(b.opened, 3))
			b.opened++
		}
	case inconclusive:
	}
	if probe {
		close(b.probing)
		b.probing = nil
	}
}

// isOpen reports whether requests are held back.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened > 0
}
