package extapi

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// flight counts what a connection has asked and not been answered, in messages
// and in bytes, and makes the next one wait. A caller that never reads its
// answers stops being read itself, instead of growing memory.
type flight struct {
	maxCount int
	maxBytes int64

	mu     sync.Mutex
	freed  sync.Cond
	count  int
	bytes  int64
	closed bool
	done   chan struct{} // closed with it
}

func newFlight(maxCount int, maxBytes int64) *flight {
	f := &flight{maxCount: maxCount, maxBytes: maxBytes, done: make(chan struct{})}
	f.freed.L = &f.mu
	return f
}

// enter waits for room for a message of size bytes and takes it. A message
// larger than all the room flies alone. It returns false once closed.
func (f *flight) enter(size int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.closed && f.count > 0 && (f.count >= f.maxCount || f.bytes+int64(size) > f.maxBytes) {
		f.freed.Wait()
	}
	if f.closed {
		return false
	}
	f.count++
	f.bytes += int64(size)
	return true
}

// leave says that a message of size bytes has been answered.
func (f *flight) leave(size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count--
	f.bytes -= int64(size)
	f.freed.Signal()
}

// busy reports whether something was asked and not answered.
func (f *flight) busy() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count > 0
}

// close lets nothing in any more.
func (f *flight) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.done)
	}
	f.freed.Broadcast()
}

// limitedListener closes connections above a limit at once, unless room can be
// made for them, and goes on after errors that pass, such as too many open files.
type limitedListener struct {
	net.Listener
	slots   chan struct{}
	refused func(why string)
	done    chan struct{}
	once    sync.Once

	// makeRoom closes a connection that is worth less than a new one; false when
	// there is none. It may be nil.
	makeRoom func() bool
}

func limitListener(l net.Listener, limit int, refused func(why string)) *limitedListener {
	return &limitedListener{Listener: l, slots: make(chan struct{}, limit), refused: refused, done: make(chan struct{})}
}

// Accept returns the next connection within the limit.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed) || l.closed():
			return nil, net.ErrClosed
		default:
			l.refused(err.Error())
			if !l.pause() {
				return nil, net.ErrClosed
			}
			continue
		}
		if l.enter() {
			return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
		}
		_ = conn.Close() // nothing was promised on it
		l.refused(fmt.Sprintf("%d are open", cap(l.slots)))
	}
}

// enter takes a place, of another connection if need be.
func (l *limitedListener) enter() bool {
	for {
		select {
		case l.slots <- struct{}{}:
			return true
		default:
		}
		if l.makeRoom == nil || !l.makeRoom() {
			return false
		}
		l.refused("one closed that waits for no answer, to make room")
	}
}

// pause waits before the next attempt to accept; false when the listener was
// closed meanwhile.
func (l *limitedListener) pause() bool {
	select {
	case <-time.After(50 * time.Millisecond):
		return true
	case <-l.done:
		return false
	}
}

func (l *limitedListener) closed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// Close stops accepting. It may be called more than once.
func (l *limitedListener) Close() error {
	var err error
	l.once.Do(func() {
		close(l.done)
		err = l.Listener.Close()
	})
	return err
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	release func()
}

// Close closes the connection.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// NetConn returns the connection itself.
func (c *limitedConn) NetConn() net.Conn { return c.Conn }

// CloseWrite lets net/http send a last answer to a caller who is still sending.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
