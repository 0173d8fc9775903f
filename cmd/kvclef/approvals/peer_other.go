//go:build !linux && !darwin

package approvals

import "net"

// Supported reports whether the system tells who connects.
const Supported = false

// peerUser knows nobody.
func peerUser(*net.UnixConn) (uid uint32, err error) { return 0, ErrUnsupported }
