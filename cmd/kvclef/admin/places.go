package admin

import (
	"errors"
	"net"
	"sync"
)

// maxConns bounds the connections at a time. Further ones wait: each has a
// deadline, so that a place is free again soon.
const maxConns = 16

// placedListener accepts a connection when there is a place for it.
type placedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  func()
}

func withPlaces(l net.Listener, places int) *placedListener {
	closed := make(chan struct{})
	return &placedListener{Listener: l, places: make(chan struct{}, places), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

// Accept waits for a place, and then for a connection.
func (l *placedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placedConn{Conn: conn, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close ends waiting, too.
func (l *placedListener) Close() error {
	l.close()
	return l.Listener.Close()
}

// placedConn gives its place back when it is closed.
type placedConn struct {
	net.Conn
	leave func()
}

// Close may be called more than once.
func (c *placedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite tells the caller that nothing more comes. The server does that, and
// lingers, where it answered before it had read the request: a caller that is still
// writing then finds the answer, and not a broken pipe.
func (c *placedConn) CloseWrite() error {
	conn, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return conn.CloseWrite()
}
