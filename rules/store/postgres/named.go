package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// maxNamed bounds the locks by a name that a process has or waits for. The database has
// room for some thousands, of all processes.
const maxNamed = 512

// names are the locks by a name that this process has or waits for. One session has them
// all, so that who has one for long keeps nobody from another; when it ends, all are lost.
type names struct {
	mu   sync.Mutex
	all  map[int64]*named
	wake chan struct{} // there is something to do at once
	came bool          // somebody through a door, since it was last asked
}

// What is asked for.
const (
	lookNew  = iota // what was not asked for before
	lookDoor        // also by who is through a door
	lookAll
)

// named is a lock.
type named struct {
	lock  int64
	at    int32
	asked bool          // before, so that it is time enough with the next look
	back  chan struct{} // closed when it was given back, as is to be done; nil: it is not
	queue []*waiter     // in the order of arrival
}

// waiter waits for a lock.
type waiter struct {
	over chan struct{} // closed when it has it, or an error
	has  *named
	err  error
}

func (h *names) init() {
	h.all, h.wake = make(map[int64]*named), make(chan struct{}, 1)
}

func (h *names) rouse() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// lockNamed waits for a lock, which giveNamed ends.
func (s *Store) lockNamed(ctx context.Context, lock int64) (*named, error) {
	h := &s.names
	w := &waiter{over: make(chan struct{})}
	h.mu.Lock()
	n := h.all[lock]
	if n == nil {
		n = &named{lock: lock}
		h.all[lock] = n
	}
	n.queue = append(n.queue, w)
	h.mu.Unlock()
	h.rouse()
	var err error
	select {
	case <-w.over:
		return w.has, w.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.base.Done():
		err = ErrClosed
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n = h.all[lock]
	at := -1
	if n != nil {
		at = slices.Index(n.queue, w)
	}
	if at < 0 { // it was over at the same time
		return w.has, w.err
	}
	n.queue = slices.Delete(n.queue, at, at+1)
	h.rouse() // so that it leaves the door
	return nil, err
}

// giveNamed gives a lock back, and returns when others can have it.
func (s *Store) giveNamed(n *named) {
	h := &s.names
	h.mu.Lock()
	if h.all[n.lock] != n { // it was lost
		h.mu.Unlock()
		return
	}
	back := make(chan struct{})
	n.back = back
	h.mu.Unlock()
	h.rouse()
	select {
	case <-back:
	case <-s.base.Done():
	}
}

// next are the steps to take; the look says which of those that were taken before in vain.
func (h *names) next(look int) (all steps) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for lock, n := range h.all {
		had, asked := n.at == atLock, len(n.queue) > 0
		if had && n.back == nil { // somebody has it
			continue
		}
		if had {
			all.add(stepGive, lock)
		}
		switch {
		case asked && n.at == atNext && (look >= lookDoor || !n.asked):
			all.add(stepInside, lock)
		case asked && n.at != atNext && (look == lookAll || !n.asked || had):
			all.add(stepAsk, lock)
		case !asked && n.at == atNext:
			all.add(stepGoOut, lock)
		case !asked && n.at == atShut:
			delete(h.all, lock)
		}
		n.asked = asked
	}
	return all
}

// went takes over where steps have led to.
func (h *names) went(all steps, at []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, step := range all.of {
		n := h.all[all.locks[i]]
		h.came = h.came || at[i] == atNext && n.at != atNext
		n.at = at[i]
		switch {
		case step == stepGive:
			close(n.back)
			n.back = nil
		case n.at != atLock:
		case len(n.queue) > 0:
			n.queue[0].has = n
			close(n.queue[0].over)
			n.queue, n.asked = n.queue[1:], false
		default: // nobody waits for it any more
			n.back = make(chan struct{})
			h.rouse()
		}
	}
	for lock, n := range h.all {
		if n.at == atShut && len(n.queue) == 0 {
			delete(h.all, lock)
		}
	}
}

// lose forgets the session, and returns how many locks it had. Whoever waits goes on
// waiting if there is no error.
func (h *names) lose(err error) (lost int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for lock, n := range h.all {
		if n.at == atLock {
			lost++
		}
		if n.back != nil {
			close(n.back)
		}
		delete(h.all, lock) // for whoever has it, too
		for _, w := range n.queue {
			if err != nil {
				w.err = err
				close(w.over)
			}
		}
		if err == nil && len(n.queue) > 0 {
			h.all[lock] = &named{lock: lock, queue: n.queue}
		}
	}
	return lost
}

// state tells whether there are locks, and whether somebody waits for one.
func (h *names) state() (some, waiting bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.all {
		if len(n.queue) > 0 && n.at != atLock {
			return true, true
		}
	}
	return len(h.all) > 0, false
}

// cameIn tells whether somebody came through a door since it was last asked.
func (h *names) cameIn() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	came := h.came
	h.came = false
	return came
}

// keepNamed takes what steps there are for as long as the store is open. Who is through a
// door asks sooner in the beginning, as with the storage's lock: else each turn that passes
// to another process would take as long as it is until the next look.
func (s *Store) keepNamed() {
	var conn *pgxpool.Conn
	defer func() {
		s.names.lose(ErrClosed)
		if conn != nil {
			closeConn(conn)
		}
	}()
	every, soon := heartbeat, lookEvery
	ticker, door := time.NewTicker(every), time.NewTicker(soon)
	door.Stop()
	defer ticker.Stop()
	defer door.Stop()
	for {
		look := lookNew
		select {
		case <-s.base.Done():
			return
		case <-s.names.wake:
		case <-door.C:
			look = lookDoor
		case <-ticker.C:
			look = lookAll
		}
		conn = s.lookAtNamed(conn, look)
		next := heartbeat
		if _, waiting := s.names.state(); waiting {
			next = lookEvery
		}
		if next != every {
			every = next
			ticker.Reset(every)
		}
		next = soon
		if s.names.cameIn() {
			next = soonest
		} else if look == lookDoor {
			next = min(2*soon, lookEvery)
		}
		if next == soon { // if it were reset whenever one comes, it would never tick while many do
			continue
		}
		if soon = next; soon < lookEvery {
			door.Reset(soon)
		} else { // from now on it is asked for with all others
			door.Stop()
		}
	}
}

// lookAtNamed takes what steps there are, on a connection that it makes if there is none,
// and returns the connection, nil if none is needed. With lookAll the database hears of it
// in any case.
//
// Whoever waits is told no error of a first try: one statement that fails, however, says
// nothing of the next, on another connection. There is no second try when the database is
// not relied on any more.
func (s *Store) lookAtNamed(conn *pgxpool.Conn, look int) *pgxpool.Conn {
	h := &s.names
	for first := true; ; first = false {
		all := h.next(look)
		if len(all.of) == 0 && (conn == nil || look != lookAll) {
			break
		}
		var err error
		if conn, err = s.stepNamed(conn, all); err == nil {
			break
		}
		told := err
		if s.base.Err() != nil {
			told = ErrClosed
		} else if first && s.broken.Load() == nil {
			told = nil
		}
		if n := h.lose(told); n > 0 && s.base.Err() == nil {
			s.options.Logger.Warn("locks in the database were lost, with the connection that had them", "locks", n, "error", err)
		}
		if told != nil {
			break
		}
	}
	if some, _ := h.state(); conn != nil && !some {
		conn.Release()
		conn = nil
	}
	return conn
}

// stepNamed takes steps. After an error there is no connection, and no lock.
func (s *Store) stepNamed(conn *pgxpool.Conn, all steps) (*pgxpool.Conn, error) {
	ctx, cancel := s.step()
	defer cancel()
	if conn == nil {
		var err error
		if conn, err = s.locking.Acquire(ctx); err != nil {
			return nil, err
		}
	}
	at, err := s.takeSteps(ctx, conn.Conn(), all)
	if err != nil {
		closeConn(conn)
		return nil, err
	}
	s.names.went(all, at)
	return conn, nil
}
