package outbox

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// line is where requests of an account wait for its turn. Callers take it in turns, and
// each caller's own come in their order: however many one sends, another waits for no
// more than one of them for each of its own.
type line struct {
	mu      sync.Mutex
	held    bool                 // it is somebody's turn
	waiting int                  // of all callers
	next    []string             // the callers who wait, in the order of their turns
	of      map[string][]*waiter // their requests
}

// waiter is a request that waits. What it is told is there once told is closed.
type waiter struct {
	told   chan struct{}
	ousted bool // another caller has its place, and it is not its turn
}

// errFullLine means that as many wait as may.
var errFullLine = errors.New("as many requests wait as may")

// enter waits for the turn, which ends with leave. When as many wait as may, the newest
// request of who has the most makes room for one of who has fewer.
func (l *line) enter(ctx context.Context, caller string, most int) error {
	w, err := l.join(caller, most)
	if w == nil || err != nil {
		return err
	}
	select {
	case <-w.told:
	case <-ctx.Done():
		if l.abandon(caller, w) {
			return ctx.Err()
		}
	}
	if w.ousted {
		return errFullLine
	}
	if err := ctx.Err(); err != nil { // its turn came as it gave up
		l.leave()
		return err
	}
	return nil
}

// try takes the turn if it is nobody's.
func (l *line) try() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return false
	}
	l.held = true
	return true
}

// join returns a place in the line, nil if it is the caller's turn at once.
func (l *line) join(caller string, most int) (*waiter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		l.held = true
		return nil, nil
	}
	if l.waiting >= most && !l.oust(len(l.of[caller])) {
		return nil, errFullLine
	}
	if l.of == nil {
		l.of = make(map[string][]*waiter)
	}
	if len(l.of[caller]) == 0 {
		l.next = append(l.next, caller)
	}
	w := &waiter{told: make(chan struct{})}
	l.of[caller] = append(l.of[caller], w)
	l.waiting++
	return w, nil
}

// oust takes the newest place of the caller who has the most, if that leaves it no fewer
// than another has with the place.
func (l *line) oust(than int) bool {
	var most string
	for caller, waiters := range l.of {
		if len(waiters) > len(l.of[most]) {
			most = caller
		}
	}
	n := len(l.of[most])
	if n <= than+1 {
		return false
	}
	w := l.of[most][n-1]
	w.ousted = true
	l.remove(most, n-1)
	close(w.told)
	return true
}

// remove takes a request out of the line.
func (l *line) remove(caller string, i int) {
	l.waiting--
	if l.of[caller] = slices.Delete(l.of[caller], i, i+1); len(l.of[caller]) > 0 {
		return
	}
	delete(l.of, caller)
	l.next = slices.DeleteFunc(l.next, func(c string) bool { return c == caller })
}

// abandon gives a place up. It is false if what the request waited for has come.
func (l *line) abandon(caller string, w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.of[caller], w)
	if i < 0 {
		return false
	}
	l.remove(caller, i)
	return true
}

// leave ends the turn, and gives it to the next caller's oldest request.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.next) == 0 {
		l.held = false
		return
	}
	caller := l.next[0]
	w := l.of[caller][0]
	l.next = append(slices.Delete(l.next, 0, 1), caller) // for its next one, if it has another
	l.remove(caller, 0)
	close(w.told)
}
