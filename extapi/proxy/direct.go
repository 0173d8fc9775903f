package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxIdle    = 90 * time.Second // how long a connection is kept without a call
	maxKeptOut = 64 << 10         // bytes of a request's buffer that are kept
)

// direct is an http.RoundTripper for POSTs over plain HTTP to one host. A call
// runs in its caller's goroutine, from the one write to the last read: most
// nodes are a few microseconds away, and http.Transport's two goroutines for
// each connection cost more than they do.
type direct struct {
	dialer *net.Dialer
	addr   string
	places chan struct{} // one for each connection in use

	mu     sync.Mutex
	idle   []*directConn // the last used is the last
	closed bool
}

func newDirect(addr string, dialer *net.Dialer, connections int) *direct {
	return &direct{dialer: dialer, addr: addr, places: make(chan struct{}, connections)}
}

// RoundTrip sends a request and returns its answer. The answer's body must be
// closed.
func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	select {
	case d.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := d.take(ctx)
	if err != nil {
		<-d.places
		return nil, err
	}
	call := &directCall{d: d, c: c, stop: context.AfterFunc(ctx, func() {
		_ = c.conn.SetDeadline(time.Unix(1, 0)) // ends what is being read or written
	})}
	answer, err := c.exchange(r)
	if err != nil {
		call.done(false)
		return nil, err
	}
	call.body, call.last = answer.Body, answer.Close
	answer.Body = call
	return answer, nil
}

// take returns the connection that was used last and is still open, or a new one.
func (d *direct) take(ctx context.Context) (*directConn, error) {
	for {
		c := d.pop()
		if c == nil {
			break
		}
		if time.Since(c.since) < maxIdle && quiet(c.raw) {
			return c, nil
		}
		_ = c.conn.Close() // the node has closed it, or may be about to
	}
	conn, err := d.dialer.DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	return newDirectConn(conn)
}

func (d *direct) pop() *directConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.idle) == 0 {
		return nil
	}
	c := d.idle[len(d.idle)-1]
	d.idle = d.idle[:len(d.idle)-1]
	return c
}

// keep takes a connection back, and lets go of one that was idle for too long.
func (d *direct) keep(c *directConn) {
	c.since = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = c.conn.Close() // it is not used any more
		return
	}
	if len(d.idle) > 0 && c.since.Sub(d.idle[0].since) > maxIdle {
		_ = d.idle[0].conn.Close() // likewise
		d.idle = d.idle[1:]
	}
	d.idle = append(d.idle, c)
}

// CloseIdleConnections closes connections, those in use when they become idle.
func (d *direct) CloseIdleConnections() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, c := range d.idle {
		_ = c.conn.Close() // it is not used any more
	}
	d.idle = nil
}

// directCall is the body of an answer, and what is left to do with its
// connection.
type directCall struct {
	d    *direct
	c    *directConn
	stop func() bool
	body io.ReadCloser
	last bool // the node closes the connection after it
}

// Read reads the body. At its end the connection is free for the next call.
func (c *directCall) Read(p []byte) (int, error) {
	if c.c == nil {
		return 0, io.EOF
	}
	n, err := c.body.Read(p)
	if err != nil {
		c.done(errors.Is(err, io.EOF) && !c.last)
	}
	return n, err
}

// Close closes the connection, if the body was not read to its end.
func (c *directCall) Close() error {
	if c.c != nil {
		c.done(false)
	}
	return nil
}

// done gives the connection back, when it has nothing more to say, or closes it.
func (c *directCall) done(whole bool) {
	if c.stop() && whole && c.c.reader.Buffered() == 0 {
		c.d.keep(c.c)
	} else {
		_ = c.c.conn.Close() // it can't be used any more
	}
	c.c = nil
	<-c.d.places
}
