package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"syscall"

	"github.com/kvclef/kvclef/extapi"
)

// Addresses returns host:port of all that a console listens on, its own first. Browsers
// look for localhost at [::1] and at 127.0.0.1: whoever had the one that is left would be
// the console to them.
func Addresses(origin, addr string) []string {
	all := []string{addr}
	at, err := url.Parse(origin)
	host, port, errAddr := net.SplitHostPort(addr)
	if err != nil || errAddr != nil || at.Hostname() != "localhost" || !extapi.Loopback(addr) {
		return all
	}
	if host == "localhost" {
		host = "127.0.0.1"
		all[0] = net.JoinHostPort(host, port)
	}
	for _, other := range []string{"127.0.0.1", "::1"} {
		if !net.ParseIP(host).Equal(net.ParseIP(other)) {
			all = append(all, net.JoinHostPort(other, port))
		}
	}
	return all
}

// listen opens all that the console listens on, or nothing.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	addrs := Addresses(s.cfg.Origin, s.cfg.Addr)
	first, err := new(net.ListenConfig).Listen(ctx, "tcp", addrs[0])
	if err != nil {
		return nil, fmt.Errorf("opening console listener %s: %w", addrs[0], err)
	}
	all := []net.Listener{first}
	_, port, _ := net.SplitHostPort(first.Addr().String()) // it has one
	for _, addr := range addrs[1:] {
		host, _, _ := net.SplitHostPort(addr) // likewise
		addr = net.JoinHostPort(host, port)
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			all = append(all, listener)
		case absent(err):
			s.log.DebugContext(ctx, "Console does not listen on an address that this machine does not have", "address", addr, "error", err)
		default:
			err = fmt.Errorf("opening console listener %s, where browsers look for %s too: %w", addr, s.cfg.Origin, err)
			for _, open := range all {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
	}
	if len(all) == 1 {
		return first, nil
	}
	return join(all), nil
}

// absent reports whether a machine does not have an address, so that nobody can listen
// on it.
func absent(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// joined is several listeners as one: what bounds connections counts them together.
type joined struct {
	net.Listener // the first, whose address it has

	all    []net.Listener
	came   chan arrival
	closed chan struct{}
	close  func() error
	wg     sync.WaitGroup
}

// arrival is what one of the listeners has accepted.
type arrival struct {
	conn net.Conn
	err  error
}

func join(all []net.Listener) *joined {
	j := &joined{Listener: all[0], all: all, came: make(chan arrival), closed: make(chan struct{})}
	j.close = sync.OnceValue(j.closeAll)
	for _, listener := range all {
		j.wg.Go(func() { j.accept(listener) })
	}
	return j
}

// accept hands on what a listener accepts. The server waits after an error that may pass,
// and so does this: nobody takes the next one meanwhile.
func (j *joined) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		select {
		case j.came <- arrival{conn, err}:
		case <-j.closed:
			if err == nil {
				_ = conn.Close() // nobody serves it
			}
			return
		}
	}
}

// Accept returns the next connection to any of them.
func (j *joined) Accept() (net.Conn, error) {
	select {
	case next := <-j.came:
		return next.conn, next.err
	case <-j.closed:
		return nil, net.ErrClosed
	}
}

// Close closes them all.
func (j *joined) Close() error { return j.close() }

func (j *joined) closeAll() error {
	close(j.closed)
	var problems []error
	for _, listener := range j.all {
		problems = append(problems, listener.Close())
	}
	j.wg.Wait()
	return errors.Join(problems...)
}
