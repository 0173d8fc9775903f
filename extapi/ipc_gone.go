package extapi

import (
	"context"
	"time"
)

// hangUpCheck is how often callers are looked at who wait for answers. Reading does not
// tell who is gone: who has only said that nothing more comes waits for answers still, and
// of whoever has as much under way as may be nothing is read.
const hangUpCheck = 500 * time.Millisecond

// watch looks at the callers until the context ends.
func (s *ipcServer) watch(ctx context.Context) {
	tick := time.NewTicker(hangUpCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, c := range s.waiting() {
			c.look(false)
		}
	}
}

// waiting returns the connections with calls under way.
func (s *ipcServer) waiting() []*ipcConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var conns []*ipcConn
	for c := range s.conns {
		if c.flight.busy() {
			conns = append(conns, c)
		}
	}
	return conns
}

// look ends what nobody waits for any more: calls that are not decided, those of a batch
// that have not begun, and messages that wait to be read. What is decided goes on, and the
// connection keeps its place until then.
func (c *ipcConn) look(ended bool) {
	if hungUp(c.Conn, ended) {
		c.hangUp()
		c.flight.close()
	}
}
