package approvals

import (
	"errors"
	"log/slog"
	"net"
	"sync"

	"github.com/kvclef/kvclef/extapi/unixpeer"
)

// Supported reports whether the system tells who connects.
const Supported = unixpeer.Supported

// Bounds of the connections at a time. One above them is closed at once: a user of
// the machine can't keep others from voting.
const (
	maxConns        = 256
	maxConnsOfUser  = 16
	maxUsersReserve = maxConns - maxConnsOfUser // beyond which a user has one connection
)

// peerListener accepts connections whose user the system tells.
type peerListener struct {
	*net.UnixListener
	remove func() error // the socket's file

	mu    sync.Mutex
	users map[uint32]int
	total int
}

// Accept returns a *peerConn.
func (l *peerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := unixpeer.User(conn)
		if err != nil || !l.enter(uid) {
			_ = conn.Close()
			continue
		}
		return &peerConn{UnixConn: conn, uid: uid, leave: sync.OnceFunc(func() { l.leave(uid) })}, nil
	}
}

func (l *peerListener) enter(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total == maxConns || l.users[uid] == maxConnsOfUser || l.total >= maxUsersReserve && l.users[uid] > 0 {
		return false
	}
	l.users[uid]++
	l.total++
	return true
}

func (l *peerListener) leave(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.users[uid]--; l.users[uid] == 0 {
		delete(l.users, uid)
	}
}

// Close stops listening and removes the socket.
func (l *peerListener) Close() error { return errors.Join(l.UnixListener.Close(), l.remove()) }

// peerConn is a connection of a user.
type peerConn struct {
	*net.UnixConn
	uid   uint32
	leave func()
}

// Close may be called more than once.
func (c *peerConn) Close() error {
	defer c.leave()
	return c.UnixConn.Close()
}

// LogValue is the user.
func (c *peerConn) LogValue() slog.Value { return slog.Uint64Value(uint64(c.uid)) }
