//go:build unix

package extapi

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// errBound ends a listener before it listens.
var errBound = errors.New("bound")

// bind gives a socket the address as [net.Listen] would, and closes it: it does not listen.
func bind(ctx context.Context, addr string) error {
	config := net.ListenConfig{Control: func(network, address string, conn syscall.RawConn) error {
		name, err := sockaddr(network, address)
		if err != nil {
			return err
		}
		if errControl := conn.Control(func(fd uintptr) { err = unix.Bind(int(fd), name) }); errControl != nil {
			return errControl
		}
		if err != nil {
			return os.NewSyscallError("bind", err)
		}
		return errBound
	}}
	listener, err := config.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return listener.Close() // which can't be
	case errors.Is(err, errBound):
		return nil
	default:
		return err
	}
}

// sockaddr returns the address that the net package is about to bind a socket to. It tells the
// kind of the socket by the network's name, and no IP where that is any.
func sockaddr(network, address string) (unix.Sockaddr, error) {
	if strings.HasPrefix(address, ":") {
		address = "0.0.0.0" + address
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	ip, port := at.Addr(), int(at.Port())
	if network == "tcp4" {
		return &unix.SockaddrInet4{Port: port, Addr: ip.As4()}, nil
	}
	if ip == netip.IPv4Unspecified() {
		ip = netip.IPv6Unspecified() // as it is on a socket for both
	}
	if ip.Zone() != "" {
		return nil, errors.New("an address of one link is not looked at")
	}
	return &unix.SockaddrInet6{Port: port, Addr: ip.As16()}, nil
}
