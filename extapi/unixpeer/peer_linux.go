package unixpeer

import (
	"net"

	"golang.org/x/sys/unix"
)

// Supported reports whether the system tells who connects.
const Supported = true

// User returns the user at the other end, as it was when it connected.
func User(conn *net.UnixConn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var found *unix.Ucred
	failed := raw.Control(func(fd uintptr) { found, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	switch {
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, err
	}
	return found.Uid, nil
}
