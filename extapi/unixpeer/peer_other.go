//go:build !linux && !darwin

package unixpeer

import "net"

// Supported reports whether the system tells who connects.
const Supported = false

// User knows nobody.
func User(*net.UnixConn) (uid uint32, err error) { return 0, ErrUnsupported }
